"""Figures: quantiles, units, bars to meet, and tables in Markdown, as docs/benchmarks.md has them."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from math import ceil

import psutil


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of all do not exceed: 0.5 is the median, 1.0 the maximum."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def ms(seconds: float) -> str:
    """Write seconds as milliseconds."""
    return f"{seconds * 1000:.2f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"


def rate(values: Sequence[float]) -> str:
    """Write the median of several rounds' rates, and the least and the most."""
    return f"{quantile(values, 0.5):.0f} ({min(values):.0f} to {max(values):.0f})"


def title(words: str) -> None:
    print(f"\n### {words}\n", flush=True)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table, its columns as wide as they need to be."""
    lines = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    for line in lines:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |")
    print(flush=True)


def bar(words: str, *, is_met: bool) -> bool:
    """Print whether a bar is met, and return it."""
    print(f"{'met' if is_met else 'NOT MET'}: {words}", flush=True)
    return is_met


class Load:
    """How busy the machine is while something is measured: because of it, and because of others."""

    def __init__(self) -> None:
        self._began = _spent()

    def words(self) -> str:
        """Say it, for the time since this was made; to be called while the measured processes live."""
        own_s, busy_s, all_s = (now - before for now, before in zip(_spent(), self._began, strict=True))
        own, others = own_s / all_s, max(0.0, busy_s - own_s) / all_s
        return f"Of {os.cpu_count()} cores {own:.0%} were busy with this and {others:.0%} with something else."


def _spent() -> tuple[float, float, float]:
    """Return CPU seconds so far: of this process and all that it has started, of everyone, and idle ones included."""
    me = psutil.Process()
    own_s = spent_s([me, *me.children(recursive=True)])
    everyone = psutil.cpu_times()
    all_s = sum(everyone[:8])
    return own_s, all_s - everyone.idle - everyone.iowait, all_s


def spent_s(processes: Iterable[psutil.Process]) -> float:
    """Return the CPU seconds that processes, and those of their children that have ended, have taken so far."""
    all_s = 0.0
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            all_s += times.user + times.system + times.children_user + times.children_system
    return all_s
