"""The whole service in one place: starts its parts in order, brings back those that die, and ends them in order."""

import math
import os
import random
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Final, Self

import redis

from . import ground as grounds
from . import parts, readiness
from .asking import Asking
from .exits import StartError, StoppedError
from .ground import Ground, Say, Wish
from .log_tail import LogTail, last_words
from .processes import Child, Mark, Part, mark_of, members, send
from .restarts import Restarts
from .runtime import Notice
from .words import counted

TICK_S: Final = 0.1
START_S: Final = 60.0
"""A Valkey with much data reads for a while."""
FOREIGN_START_S: Final = 15.0
"""Somebody else's Redis runs already, or is not where it is said to be."""
SILENCE_S: Final = 2.0
"""After so long a person is told what is being waited for."""
END_S: Final = 10.0
"""What a part other than a worker may take to end."""
HAND_BACK_S: Final = 5.0
"""What a worker may take to hand back the jobs that have not ended in time."""
AGAIN_S: Final = 0.5
"""How often a part that is in the way of somebody in a hurry is told so."""
ORPHAN: Final = "orphan-"
"""The name of a session whose worker was killed while its job goes on, before the worker's pid."""


def nobody() -> int:
    """Say that nobody has asked for a stop."""
    return 0


class Service:
    """One service. `say` is told what a person should know; `asked` returns how many times a stop was asked for."""

    ground: Ground

    def __init__(self, wish: Wish, say: Say, asked: Callable[[], int] = nobody) -> None:
        self._wish, self._say, self._asked = wish, say, asked
        self._stack = ExitStack()
        self._parts: dict[str, Part] = {}
        self._tails: dict[str, LogTail] = {}
        self._children: dict[str, Child] = {}
        self._orphans: list[Mark] = []  # sessions whose leader has died, and whose jobs may still be done
        self._restarts = Restarts(foundation=parts.VALKEY)

    def __enter__(self) -> Self:
        """Start everything; leave nothing behind if that fails.

        Raises TakenError, StartError, SettingsError, and StoppedError if a stop was asked for meanwhile.
        """
        try:
            self._start()
        except BaseException:
            self._tails.clear()  # the error says what they would say
            self._end(drain_s=0)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end(drain_s=self._wish.drain_s)

    def watch(self) -> None:
        """Keep the parts alive until a stop is asked for."""
        while not self._asked():
            self.tick()
            time.sleep(TICK_S)

    def tick(self) -> None:
        """Look after the parts once."""
        now_s = time.monotonic()
        for name, child in list(self._children.items()):
            ending = child.ending()
            if ending:
                del self._children[name]
                self._mourn(child, ending, now_s)
        for name in self._restarts.due(now_s):
            self._launch(self._parts[name])
        self._show_logs()

    def _start(self) -> None:
        parts.check(self._wish.env)
        self.ground = self._stack.enter_context(grounds.take(self._wish, self._say))
        self._stack.callback(self.ground.runtime.remove, self.ground.port)
        for part in parts.valkey(self.ground, self._wish.env):
            self._launch(part)
        self._await_redis()
        self._make_admin()
        count = self._wish.workers
        for part in (parts.api(self.ground, self._wish.env), *parts.workers(self.ground, self._wish)):
            self._launch(part)
        self._await("the service", lambda: readiness.workers(self.ground.port) >= count)

    def _make_admin(self) -> None:
        """Show the admin's token if it is to be made: here, for what the API says is kept in a file."""
        if parts.needs_admin(self._wish.env) and (token := readiness.make_admin(self.ground.redis_url)):
            self._say(f"the admin's token, shown this once: {token}")

    def _await_redis(self) -> None:
        url = self.ground.redis_url
        what = f"Redis at {grounds.without_password(url)}"
        within_s = START_S if self._children else FOREIGN_START_S
        try:
            self._await(what, lambda: readiness.redis_is_ready(url), within_s, say_what=True)
            version = readiness.redis_version(url)
        except redis.RedisError as error:
            raise StartError(f"{what} cannot be used: {error}") from None
        if version < readiness.OLDEST_REDIS:
            raise StartError(f"{what} is too old: it has to be 7 or newer")

    def _await(
        self, what: str, is_ready: Callable[[], bool], within_s: float = START_S, *, say_what: bool = False
    ) -> None:
        """Wait until something is ready.

        Raises StartError if a part dies first or if it takes too long, StoppedError if a stop was asked for.
        """
        began_s = time.monotonic()
        with Asking(is_ready, TICK_S) as asking:
            while not asking.is_answered(TICK_S):
                self._check_start()
                waited_s = time.monotonic() - began_s
                if waited_s > within_s:
                    reason = f": {asking.trouble}" if asking.trouble else ""
                    raise StartError(f"{what} was not ready within {within_s:g} s{reason}")
                if say_what and waited_s > SILENCE_S:
                    self._say(f"waiting for {what} …")
                    say_what = False
        self._check_start()

    def _check_start(self) -> None:
        """Raise StoppedError if a stop was asked for, StartError if a part has died."""
        if self._asked():
            raise StoppedError
        for name, child in self._children.items():
            if ending := child.ending():
                raise StartError(f"{name} did not start ({ending}); its log ends so:\n{last_words(child.part.log)}")

    def _launch(self, part: Part) -> None:
        """Start a part, for the first time or again."""
        self._parts[part.name] = part
        if part.name != parts.VALKEY:  # it warns of the machine's memory settings, and says nothing else of use
            self._tails.setdefault(part.name, LogTail(part.name, part.log))
        now_s = time.monotonic()
        self._children[part.name] = Child(part, now_s)
        self._restarts.started(part.name, now_s)
        self._leave_word()

    def _mourn(self, child: Child, ending: str, now_s: float) -> None:
        """Deal with a part that has died: see to what it leaves behind, and plan its return."""
        name = child.part.name
        if name.startswith(parts.WORKER):
            self._orphans = [each for each in (*self._orphans, child.mark) if members(each)]
        else:
            send(members(child.mark), signal.SIGKILL)  # gunicorn's workers would go on answering beside the new ones
        pause_s = self._restarts.died(name, now_s, random.random())  # noqa: S311 - jitter is no secret
        self._say(f"{name} has ended ({ending}) and will be started again in {pause_s:.1f} s")

    def _leave_word(self) -> None:
        ground = self.ground
        marks = {name: self._children[name].mark for name in self._parts if name in self._children}
        marks |= {f"{ORPHAN}{mark.pid}": mark for mark in self._orphans if members(mark)}
        notice = Notice(
            supervisor=mark_of_self(),
            port=ground.port,
            url=ground.url,
            redis_url=ground.redis_url,
            data=str(self._wish.data.resolve()) if self._wish.data else None,
            logs=str(ground.logs),
            scratch=str(ground.scratch),
            drain_s=self._wish.drain_s,
            parts=marks,
        )
        ground.runtime.write(notice)

    def _end(self, *, drain_s: float) -> None:
        """End the parts: workers finish their jobs within `drain_s`, then the API goes, Valkey last."""
        asked = self._asked()
        workers = [name for name in self._children if name.startswith(parts.WORKER)]
        if drain_s and (busy := self._running()):
            self._say(f"finishing {counted(busy, 'job')} for up to {drain_s:g} s; Ctrl-C again ends at once")

        def in_time() -> bool:
            return self._asked() == asked

        self._end_parts(workers, self._orphans, drain_s and drain_s + HAND_BACK_S, in_time, hurry_s=HAND_BACK_S)
        if hasattr(self, "ground"):
            self.ground.listener.close()  # else callers would be let in, and answered by nobody
        self._end_parts([parts.API], [], min(drain_s, END_S), in_time)
        self._end_parts([parts.VALKEY], [], END_S, lambda: True)
        self._show_logs()
        self._stack.close()

    def _running(self) -> int:
        """Return how many jobs run; 0 if nobody can say."""
        try:
            return readiness.depths(self.ground.redis_url)["running"]
        except redis.RedisError:
            return 0

    def _end_parts(
        self,
        names: Iterable[str],
        orphans: Iterable[Mark],
        patience_s: float,
        in_time: Callable[[], bool],
        *,
        hurry_s: float = 0.0,
    ) -> None:
        """Ask parts to end, and once more if somebody is in a hurry; when the patience is over, do not ask any more."""
        children = [self._children[name] for name in names if name in self._children]
        sessions = [child.mark for child in children] + list(orphans)
        if patience_s:
            for child in children:
                child.send(signal.SIGTERM)
        until_s, again_s = time.monotonic() + patience_s, math.inf
        while any(map(members, sessions)):
            if again_s == math.inf and not in_time():
                again_s, until_s = 0.0, min(until_s, time.monotonic() + hurry_s)
            if time.monotonic() >= again_s:
                # and again: of two signals that come before a process has heard the first, it hears one
                again_s = time.monotonic() + AGAIN_S
                for child in children:
                    child.send(signal.SIGTERM)
            if time.monotonic() >= until_s:
                for session in sessions:
                    send(members(session), signal.SIGKILL)
            self._show_logs()
            time.sleep(TICK_S / 4)
        for child in children:
            child.ending()  # takes it off the system's list of processes

    def _show_logs(self) -> None:
        for tail in self._tails.values():
            for line in tail.news():
                self._say(f"{tail.name}: {line}")


def mark_of_self() -> Mark:
    """Mark this process."""
    return mark_of(os.getpid())
