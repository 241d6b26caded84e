"""What a process does again and again in the background: a thread that takes one turn after the other."""

import threading
from abc import ABC, abstractmethod


class Rounds(ABC):
    """Takes a turn at once, and then one every `pause_s()` seconds. No error may leave a turn."""

    def __init__(self, name: str) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def turn(self) -> None:
        """Do all of it once. What goes wrong is logged, and may go better the next time."""

    @abstractmethod
    def pause_s(self) -> float:
        """Return the seconds until the next turn, as things are after the last one."""

    def start(self) -> None:
        """Begin. To be called after the last fork that shall go on, too: threads do not survive one."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the turn that is under way."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        self.turn()
        while not self._stop.wait(self.pause_s()):
            self.turn()
