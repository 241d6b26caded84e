"""One job from its delivery to its end, with everything that it takes handed in."""

from dataclasses import dataclass, field

from rq.timeouts import JobTimeoutException

from contract.job import Output
from store.ledger import Ledger
from store.presence import Presence
from store.runs import Run, RunStore
from store.sweep import Sweep

from .control import RunControl
from .ends import Crashed, Delivered, End, Interrupted, Refused, Stopped, TimedOut
from .engine import Engine, EngineError, StopAsked, Task
from .line import Chances, Line
from .logs import Log, bound
from .pulse import Pulse


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Takes jobs and runs them on `engine`, one at a time per thread; each run `sweeps`, unless the process does."""

    engine: Engine
    log: Log
    sweeps: bool = True
    chances: Chances = field(default_factory=Chances)

    def run(self, ref: str, ledger: Ledger, presence: Presence | None = None, pulse: Pulse | None = None) -> None:
        """Run the job of this Ref if it is there to be run; `presence` is what tells others that this process lives.

        A process that runs many has one `pulse` for all of them.
        """
        run = RunStore(ledger, presence).start(ref)
        if run is None:
            self.log.info("delivery_void", ref=ref)
            return
        job, request = run.job, {"request_id": run.record.request_id} if run.record.request_id else {}
        about = {"client_id": job.client_id, "job_id": job.job_id, "attempt": job.attempt, **request}
        log = self.log.bind(**about)
        log.info("run_started")
        line = Line(run, Sweep(ledger) if self.sweeps else None, log, self.chances, pulse)
        line.open()
        try:
            with bound(**about):
                end = self._end_of(run, line.control, log)
            line.end(end)
        finally:
            line.abandon()

    def _end_of(self, run: Run, control: RunControl, log: Log) -> End:
        """Run the engine, and return how that ended."""
        try:
            return self._translate(run, control, log)
        except JobTimeoutException:
            # the penalty strikes wherever this thread is, also between the engine's end and the lines above
            log.warning("time_limit")
            return TimedOut()
        except Interrupted as interrupted:
            control.stop(interrupted.stop)
            return Stopped()

    def _translate(self, run: Run, control: RunControl, log: Log) -> End:
        record = run.record
        task = Task(job=record.job, simulate=record.simulate, number=record.number, round=record.round)
        try:
            output = self.engine.translate(task, control)
            if isinstance(output, Output):
                return Delivered(output)
            raise TypeError(f"the engine returned no Output but {type(output).__name__}")  # noqa: TRY301
        except (JobTimeoutException, Interrupted):
            raise
        except StopAsked:
            return Stopped()
        except EngineError as error:
            return Refused(error)
        except Exception as error:
            log.exception("engine_crashed")
            return Crashed(error)
