"""When a part that has died is started again: decisions only, told the time and the dice."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from contract.backoff import Backoff


@dataclass(slots=True)
class _Life:
    started_s: float
    falls: int = 0
    due_s: float | None = None


@dataclass(slots=True, kw_only=True)
class Restarts:
    """Whoever dies comes back after a pause that grows while it keeps dying.

    `foundation` is what the others cannot do without: they come back only while it runs. A part that has lived for
    `steady_s` is well: its next death is a first one.
    """

    foundation: str | None = None
    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=0.5))
    steady_s: float = 30.0
    _lives: dict[str, _Life] = field(default_factory=dict)

    def started(self, name: str, at_s: float) -> None:
        """Note that a part has been started."""
        life = self._lives.setdefault(name, _Life(at_s))
        life.started_s, life.due_s = at_s, None

    def died(self, name: str, at_s: float, chance: float) -> float:
        """Note that a running part has died; return the seconds until it may come back. `chance` is in [0, 1)."""
        life = self._lives[name]
        life.falls = 1 if at_s - life.started_s >= self.steady_s else life.falls + 1
        pause_s = self.backoff.pause_s(life.falls, chance)
        life.due_s = at_s + pause_s
        return pause_s

    def due(self, at_s: float) -> Sequence[str]:
        """Return the parts to start now."""
        due = [name for name, life in self._lives.items() if life.due_s is not None and life.due_s <= at_s]
        base = self._lives.get(self.foundation or "")
        if base is not None and base.due_s is not None:
            return [name for name in due if name == self.foundation]
        return due
