"""What may stand in a line of a log: whoever sends a newline or an escape sequence writes no line with it."""

import re
from typing import Any, Final

_UNFIT: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, C1 among them; what ends lines; what turns the direction of writing; halves of characters."""
_TOKEN: Final = re.compile(r"dubq_(?:admin_)?[A-Za-z0-9_-]{43}")
"""Wherever a caller has put one."""


def inert(value: Any) -> Any:
    """Return what a log may say of a value: text without what acts on terminals and lines, and without tokens."""
    if not isinstance(value, str):
        return value
    return _UNFIT.sub(_written, _TOKEN.sub("dubq_…", value))


def _written(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")
