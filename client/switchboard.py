"""Who listens to what on a line to Redis, and whether the line is alive: pure, told what is heard and what time it is.

What it returns are commands to be sent, in that order.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, Protocol, TypeAlias

from contract.job import Job

from .pulse import Beat, Pulse

PING_S: Final = 1.0
"""A line silent for so long is pinged, so that a living one is never silent for longer: a cut cable sends no FIN."""

IDLE_S: Final = 30.0
"""A line on which nobody waits hangs up after so long, give or take a ping: its client may never be closed."""

CONNECT_S: Final = 2.0
PACE_S: Final = 1.0
"""The least time between two attempts to connect, however many waits ask."""


class Signal(Enum):
    """What the line itself says into a mailbox."""

    UP = auto()  # the server has acknowledged the subscription to all channels
    QUIET = auto()  # it should have said something by now
    LOST = auto()


Said: TypeAlias = bytes | Signal
"""What comes of one line."""
News: TypeAlias = Said | Job
"""What a wait is told: also what others have read already."""
Command: TypeAlias = tuple[str | bytes, ...]


class Mailbox(Protocol):
    """What one wait is told: Signal.UP, then messages and doubts, then perhaps Signal.LOST."""

    @property
    def channels(self) -> tuple[bytes, ...]:
        """What it wants to hear, each once."""

    def put(self, news: News) -> None:
        """Add to it; never blocks."""


@dataclass(slots=True)
class _Channel:
    is_up: bool = False
    mailboxes: set[Mailbox] = field(default_factory=set)


class Switchboard:
    """The subscriptions of one connection's life."""

    def __init__(self, at_s: float) -> None:
        self._channels: dict[bytes, _Channel] = {}
        self._awaited: dict[Mailbox, set[bytes]] = {}  # what is not yet acknowledged of what a mailbox wants
        self._pulse = Pulse(at_s, PING_S)
        self._pinged_s = self._wanted_s = at_s

    def admit(self, mailbox: Mailbox) -> list[Command]:
        """Let a mailbox hear its channels."""
        fresh = [name for name in mailbox.channels if name not in self._channels]
        for name in mailbox.channels:
            self._channels.setdefault(name, _Channel()).mailboxes.add(mailbox)
        awaited = {name for name in mailbox.channels if not self._channels[name].is_up}
        if awaited:
            self._awaited[mailbox] = awaited
        else:
            mailbox.put(Signal.UP)
        return [("SUBSCRIBE", *fresh)] if fresh else []

    def dismiss(self, mailbox: Mailbox) -> list[Command]:
        """Let a mailbox hear no more."""
        self._awaited.pop(mailbox, None)
        for name in mailbox.channels:
            channel = self._channels.get(name)
            if channel:
                channel.mailboxes.discard(mailbox)
        return self._drop_unused(mailbox.channels)

    def hear(self, response: Any, at_s: float) -> list[Command]:
        """Hand a message, or an acknowledgement, to all who wait for it; a pong has been news enough."""
        self._pulse.hear(at_s)
        if not isinstance(response, list) or response[0] not in (b"message", b"subscribe"):
            return []
        kind, name, payload = response
        channel = self._channels.get(name)
        if channel is None:
            return []  # everyone has left meanwhile
        if kind == b"subscribe":
            channel.is_up = True
            for mailbox in channel.mailboxes:
                self._acknowledge(mailbox, name)
            return self._drop_unused([name])
        for mailbox in channel.mailboxes:
            # who still awaits an acknowledgement has not looked yet, and will see what this is about; it may also have
            # been sent to an earlier subscription, which has been given up
            if mailbox not in self._awaited:
                mailbox.put(payload)
        return []

    def check_health(self, at_s: float) -> tuple[list[Command], float]:
        """Ping a line that is silent; return for how many seconds to wait for a sign of life.

        Raises TimeoutError if it has been silent for too long. Whoever comes late to ask, as his process was held up,
        has no reason for a doubt before an answer is late, too.
        """
        last_s = max(self._pulse.heard_s, self._pinged_s)
        late_s = at_s - last_s - PING_S
        if late_s > 0.0 and last_s > self._pinged_s:
            self._pulse.excuse(late_s)
        beat = self._pulse.feel(at_s)
        if beat is Beat.LOST:
            raise TimeoutError("pings were not answered")
        if beat is Beat.DOUBTFUL:
            self._tell(Signal.QUIET, self._listeners())
        is_due = late_s >= 0.0
        if is_due:
            self._pinged_s = last_s = at_s
        return [("PING",)] * is_due, min(last_s + PING_S, self._pulse.due_s()) - at_s

    def is_forsaken(self, at_s: float) -> bool:
        """Whether nobody has wanted to hear anything for so long that the line should end."""
        if self._channels:
            self._wanted_s = at_s
        return at_s - self._wanted_s >= IDLE_S

    def lose(self) -> None:
        """Tell everyone that the line is no more."""
        self._tell(Signal.LOST, self._listeners())

    def _listeners(self) -> set[Mailbox]:
        return {mailbox for channel in self._channels.values() for mailbox in channel.mailboxes}

    @staticmethod
    def _tell(signal: Signal, mailboxes: Iterable[Mailbox]) -> None:
        for mailbox in mailboxes:
            mailbox.put(signal)

    def _acknowledge(self, mailbox: Mailbox, name: bytes) -> None:
        awaited = self._awaited.get(mailbox)
        if awaited is None:
            return
        awaited.discard(name)
        if not awaited:
            del self._awaited[mailbox]
            mailbox.put(Signal.UP)

    def _drop_unused(self, names: Iterable[bytes]) -> list[Command]:
        # not before its acknowledgement: that one must not be taken for the next subscription's
        unused = [name for name in names if (each := self._channels.get(name)) and each.is_up and not each.mailboxes]
        for name in unused:
            del self._channels[name]
        return [("UNSUBSCRIBE", *unused)] if unused else []


class Pace:
    """Keeps the attempts to connect apart."""

    def __init__(self) -> None:
        self._may_connect_s = -float("inf")

    def hold_s(self, at_s: float) -> float:
        """Return for how long not to connect; 0.0: now, and the next attempt has to wait."""
        if at_s < self._may_connect_s:
            return self._may_connect_s - at_s
        self._may_connect_s = at_s + PACE_S
        return 0.0
