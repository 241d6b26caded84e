"""What RQ runs: the job function, the engine's Protocol, and the simulator that stands in for an engine."""
