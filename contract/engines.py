"""How engines are named in DUBQ_ENGINE and in a submission. Pure."""

import re
from typing import Final

SIMULATOR: Final = "simulator"
"""The one that is always there."""
DEFAULT: Final[tuple[str, ...]] = (SIMULATOR,)

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_PATH: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def parse(text: str) -> tuple[str, ...]:
    """Return the engines of a comma-separated list, the one for jobs that name none first. Raises ValueError."""
    names = tuple(each.strip() for each in text.split(","))
    if not all(_NAME.fullmatch(name) or _PATH.fullmatch(name) for name in names):
        raise ValueError("has to be names of engines, or module:attribute as in my_engine:Engine, with commas between")
    if len(set(names)) != len(names):
        raise ValueError("names an engine twice")
    return names
