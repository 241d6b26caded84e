"""The delay policy of polls, reconnects and retries: exponential, capped, jittered downwards by half at most."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Pauses that grow from `first_s` by `factor` up to `cap_s`, all in seconds."""

    first_s: float = 1.0
    factor: float = 2.0
    cap_s: float = 30.0

    def pause_s(self, attempt: int, chance: float) -> float:
        """Seconds to wait after `attempt` (from 1): in the upper half of the step, where `chance` in [0, 1) says."""
        # the exponent is bounded: a float overflows long after the cap has been reached
        step_s = min(self.cap_s, self.first_s * self.factor ** min(attempt - 1, 64))
        return step_s * (1 + chance) / 2
