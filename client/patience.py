"""How a caller wants to wait: by which roads, for how long, and what is to happen at the end."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Literal, TypeAlias

from contract.errors import DubqError

from .ladder import ROADS, Road
from .memory import Told

OnTimeout: TypeAlias = Literal["raise", "cancel", "return"]

TIMEOUT_S: Final = 900.0
REQUEST_TIMEOUT_S: Final = 10.0


class Push(Enum):
    """What a wait makes of roads on which it is told."""

    NEVER = auto()  # poll
    IF_OFFERED = auto()  # the best there is
    ALWAYS = auto()  # Redis: raise if there is none; while it is away, poll


class NoPushError(DubqError):
    """This client cannot be pushed to; `client.wait` and `client.poll_status` work without."""

    code = "no_push"
    title = "There is no Redis to be told by"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How a caller wants to wait, whatever for. `roads` are those that may be used where they are offered.

    `told` is how the jobs stood when they were submitted, if that is known of all of them.
    """

    push: Push
    roads: Sequence[Road] = ROADS
    timeout_s: float = TIMEOUT_S
    request_timeout_s: float = REQUEST_TIMEOUT_S
    on_timeout: OnTimeout = "raise"
    raise_on_failure: bool = True
    wants_progress: bool = False  # and not the end alone
    wants_warning: bool = False  # when there has been no news for long
    told: tuple[Told, ...] = ()

    def __post_init__(self) -> None:
        check_seconds("timeout", self.timeout_s)
        check_seconds("request_timeout", self.request_timeout_s)
        if self.on_timeout not in ("raise", "cancel", "return"):
            raise ValueError(f"on_timeout has to be 'raise', 'cancel' or 'return', not {self.on_timeout!r}")

    @property
    def allowed(self) -> frozenset[Road]:
        """The roads of this wait."""
        match self.push:
            case Push.NEVER:
                return frozenset()
            case Push.ALWAYS:
                return frozenset({Road.REDIS})
            case Push.IF_OFFERED:
                return frozenset(self.roads)


def check_seconds(name: str, value: float) -> None:
    """Raise ValueError unless `value` is a finite number that is not negative."""
    if not 0.0 <= value < math.inf:
        raise ValueError(f"{name} has to be a finite number of seconds, not {value!r}")
