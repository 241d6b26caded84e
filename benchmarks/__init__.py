"""Benchmarks: `python -m benchmarks` prints the figures of docs/benchmarks.md again, `… NAME` one of its tables."""
