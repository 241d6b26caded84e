"""A run's line to Redis: a thread that tells what the engine does and hears whether it may go on."""

import math
import queue
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from redis.exceptions import RedisError
from rq.timeouts import JobTimeoutException

from contract.backoff import Backoff
from contract.errors import JobNotFoundError, StaleWriteError
from contract.job import Job
from store.runs import Beat, Run
from store.sweep import Sweep
from store.sweeper import take_turn

from .control import RunControl
from .ends import Cancel, Complete, End, Fail, HandBack, Interrupted, Leave, Move, Stop, move_for
from .limits import Timekeeper
from .logs import Log
from .pulse import Pulse
from .throttle import Report, Throttle

BEAT_S: Final = 1.0
AWAY_S: Final = 1.0
"""How long reports rest after one could not be written."""
RETRY_PAUSE: Final = Backoff(first_s=1, factor=2, cap_s=30)
"""Between the attempts at a job."""
WRITE_PAUSE: Final = Backoff(first_s=0.1, factor=2, cap_s=1)
"""Between tries to write a run's end while Redis is away."""
GIVE_UP_S: Final = 900.0
"""An end that could not be written for so long is left to the sweep, which finds the job without a worker."""


def in_thread(work: Callable[[], None]) -> None:
    """Have it done beside us."""
    # a daemon: a process that has to end does not wait for Redis
    threading.Thread(target=work, name="dubq-line", daemon=True).start()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """Where a line gets its time and its luck from. `pause` sleeps for seconds, `clock` is monotonic seconds.

    `spawn` has something done beside whoever calls it.
    """

    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    spawn: Callable[[Callable[[], None]], object] = in_thread


class Line:
    """Writes one run's reports and its end, and renews its lease, taking turns at `sweep` on the way if it has one.

    With a `pulse`, that renews the lease.

    All that a run has to do with Redis happens on this thread. So Redis can be slow or away without holding up the
    engine, and RQ's death penalty, which strikes the engine's thread at any instruction, cannot cut a write in two.
    """

    def __init__(
        self, run: Run, sweep: Sweep | None, log: Log, chances: Chances | None = None, pulse: Pulse | None = None
    ) -> None:
        self._run, self._sweep, self._log, self._by = run, sweep, log, chances or Chances()
        self._pulse = pulse
        self._inbox: queue.SimpleQueue[Report | End | None] = queue.SimpleQueue()
        self._closed: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._is_closed = False
        self._throttle = Throttle()
        self._time = Timekeeper(run.settings, run.past, self._by.clock())
        self._beat_s = math.inf if pulse else self._by.clock() + BEAT_S
        self._rest_until_s = 0.0
        self._away = False
        self.control = RunControl(self._inbox.put)

    def open(self) -> None:
        """Start the thread."""
        self._by.spawn(self._live)

    def end(self, end: End) -> None:
        """Have the end written, and wait until it is, or until nothing more can be done about it."""
        while not self._is_closed:  # for what was got in the moment of the stroke is not there a second time
            try:
                self._inbox.put(end)
                self._closed.get()
            except (JobTimeoutException, Interrupted):
                continue  # struck after the engine had ended: that end stands

    def abandon(self) -> None:
        """Let the thread end without a word, if it has not ended: the lease will run out, and the sweep takes over."""
        self._inbox.put(None)

    def _live(self) -> None:
        if self._pulse:
            self._pulse.join(self._run, self._obey)
        try:
            end = self._listen()
            if end is not None:
                self._finish(move_for(end, stop=self.control.asked, stage=self.control.current_stage))
        except (StaleWriteError, JobNotFoundError):
            self._log.warning("run_given_up")
        except Exception:  # noqa: BLE001 - the thread's last chance to be heard
            self._log.exception("line_broke")
            self.control.stop(Stop.GONE)  # without a line the lease runs out
        finally:
            self._is_closed = True
            if self._pulse:
                self._pulse.leave(self._run)
            self._closed.put(None)

    def _listen(self) -> End | None:
        """Beat and report until the engine's end, and return that; None if the run was abandoned."""
        while True:
            self._beat()
            self._report()
            self._keep_time()
            due_s = min(self._beat_s, self._report_s(), self._time.due_s())
            try:
                heard = self._inbox.get(timeout=None if math.isinf(due_s) and due_s > 0 else self._left_s(due_s))
            except queue.Empty:
                continue
            if not isinstance(heard, Report):
                return heard
            self._throttle.take(heard)
            self._time.hear(heard, self._by.clock())

    def _left_s(self, due_s: float) -> float:
        return max(0.0, due_s - self._by.clock())

    def _report_s(self) -> float:
        """Return when the next report may be written: infinity if there is none, or nobody would take it."""
        if self.control.asked is Stop.GONE:
            return math.inf
        return max(self._throttle.due_s(), self._rest_until_s)

    def _beat(self) -> None:
        """Renew the lease once a second, and take a turn at the sweep."""
        if self._by.clock() < self._beat_s:
            return
        try:
            self._obey(self._run.beat())
            self._note_redis()
            if self._sweep:
                take_turn(self._sweep, self._log.bare())
        except RedisError as error:
            self._note_redis(error)
        self._beat_s = self._by.clock() + BEAT_S

    def _obey(self, beat: Beat) -> None:
        """Ask the engine to stop if the store says so."""
        if beat is Beat.CANCEL and self.control.asked is None:
            self._log.info("cancel_asked")
            self.control.stop(Stop.CANCELLED)
        elif beat is Beat.GONE and self.control.asked is not Stop.GONE:
            self._give_up()

    def _keep_time(self) -> None:
        """Ask the engine to stop if it has broken a limit."""
        if self.control.is_resting:
            self._time.rest(self._by.clock())
        broken = self._time.broken(self._by.clock())
        if broken and self.control.asked is None:
            self._log.warning("limit_broken", limit=broken.value, stage=self.control.current_stage)
            self.control.stop(broken)

    def _give_up(self) -> None:
        self._log.warning("run_given_up")
        self.control.stop(Stop.GONE)

    def _report(self) -> None:
        """Write the next report, if one is due. While Redis is away they merge and wait."""
        now_s = self._by.clock()
        report = self._throttle.next()
        if report is None or now_s < self._report_s():
            return
        try:
            self._run.advance(report.stage, report.progress)
            self._throttle.written(report, now_s)
            self._log.debug("progress", stage=report.stage, progress=report.progress)
            self._note_redis()
        except (StaleWriteError, JobNotFoundError):
            self._give_up()
        except RedisError as error:
            self._rest_until_s = self._by.clock() + AWAY_S
            self._note_redis(error)

    def _finish(self, move: Move) -> None:
        """Write the end, again and again while Redis is away.

        Raises StaleWriteError or JobNotFoundError if the job is not this run's any more.
        """
        began_s, tries = self._by.clock(), 0
        while True:
            try:
                job = self._write(move)
            except RedisError as error:
                self._note_redis(error)
                tries += 1
                if self._by.clock() - began_s > GIVE_UP_S:
                    self._log.error("end_not_written", reason=str(error))
                    return
                self._by.pause(WRITE_PAUSE.pause_s(tries, self._by.chance()))
            else:
                self._note_redis()
                if job is not None:
                    self._log.info("run_ended", state=job.state.value, seq=job.seq)
                return

    def _write(self, move: Move) -> Job | None:
        match move:
            case Complete(output):
                return self._run.complete(output)
            case Fail(failure):
                self._log.warning("attempt_failed", code=failure.code, stage=failure.stage)
                pause_s = RETRY_PAUSE.pause_s(self._run.job.attempt, self._by.chance())
                return self._run.fail(failure, pause_s=pause_s)
            case Cancel():
                return self._run.cancel()
            case HandBack():
                return self._run.hand_back()
            case Leave():
                return None

    def _note_redis(self, error: RedisError | None = None) -> None:
        """Log that Redis went away, or came back: once each."""
        if error and not self._away:
            self._log.warning("redis_away", reason=str(error))
        elif self._away and not error:
            self._log.warning("redis_back")
        self._away = error is not None
