"""The signals that ask this process to stop."""

import signal
from types import FrameType
from typing import Any, Final, Self

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stops:
    """Counts them. While it `interrupts`, the first of them raises KeyboardInterrupt, as Ctrl-C does anywhere.

    Those that are ignored when it begins stay ignored: nohup asks for that, and so does a script's `&`.
    """

    def __init__(self) -> None:
        self.count, self.interrupts = 0, False
        self._before: dict[signal.Signals, Any] = {}

    def __call__(self) -> int:
        """Return how many there were."""
        return self.count

    def __enter__(self) -> Self:
        for number in SIGNALS:
            if signal.getsignal(number) is signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.interrupts and self.count == 1:
            raise KeyboardInterrupt
