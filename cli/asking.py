"""Asking again and again until the answer is yes, beside whoever has other things to look after meanwhile."""

import threading
from collections.abc import Callable
from typing import Self

import redis


class Asking:
    """Asks in a thread of its own, whose questions may take as long as they like. `trouble` is what Redis said last."""

    def __init__(self, is_ready: Callable[[], bool], pause_s: float) -> None:
        self.trouble = ""
        self._is_ready, self._pause_s = is_ready, pause_s
        self._answered, self._left = threading.Event(), threading.Event()
        self._fault: BaseException | None = None

    def __enter__(self) -> Self:
        # a daemon: whoever leaves does not wait for the last answer
        threading.Thread(target=self._ask, name="asking", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()

    def is_answered(self, within_s: float) -> bool:
        """Wait for a yes; return whether it has come. Raises what a question has raised, unless that was Redis's."""
        answered = self._answered.wait(within_s)
        if self._fault:
            raise self._fault
        return answered

    def _ask(self) -> None:
        try:
            while not self._asked_once() and not self._left.wait(self._pause_s):
                pass
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
            self._fault = error
        self._answered.set()

    def _asked_once(self) -> bool:
        try:
            return self._is_ready()
        except redis.RedisError as error:
            self.trouble = str(error)
            return False
