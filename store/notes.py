"""What RQ notes of a delivery that is put into its queue. RQ makes the first one, and all others are copies of that.

To have RQ make each took a fifth of what a submission costs: it looks at much that is the same for all of ours.
"""

import zlib
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, TypeAlias

from redis.client import Pipeline
from rq import Queue
from rq.job import Job as RqJob
from rq.utils import now, utcformat

from .keys import Ref

TASK: Final = "worker.tasks.translate"
TTL_S: Final = 300
"""How long RQ keeps its own notes on a delivery that has ended: for `rq info` and dashboards alone."""
_SAMPLE: Final = Ref("__sample__")
_TIMES: Final = frozenset({"created_at", "enqueued_at"})
_DATA: Final = "data"
"""The field that says what to call, compressed."""

Word: TypeAlias = Callable[[Ref, str], Any]
"""What stands in a command, by the Ref and the time as RQ writes it."""


class Notes:
    """Notes on deliveries to one queue; an attempt has `limit_s`."""

    def __init__(self, queue: Queue, limit_s: int) -> None:
        self._queue, self._limit_s = queue, limit_s

    def add(self, pipe: Pipeline, ref: Ref) -> None:
        """Add to `pipe` what notes a delivery of this Ref, instead of what was noted of an earlier one."""
        pipe.delete(RqJob.key_for(ref))  # it would expire in the queue
        at = utcformat(now())
        for words, changing in self._commands:
            command = [*words]
            for place, word in changing:
                command[place] = word(ref, at)
            pipe.execute_command(*command)  # type: ignore[no-untyped-call]  # redis has types for most of it only

    def as_rq_does(self, pipe: Pipeline, ref: Ref) -> None:
        """Have RQ itself add it."""
        delivery = self._queue.create_job(
            TASK,
            args=(ref,),
            job_id=ref,
            description=f"translate {ref}",
            timeout=self._limit_s,
            result_ttl=TTL_S,
            failure_ttl=TTL_S,
        )
        self._queue.enqueue_job(delivery, pipeline=pipe)

    @cached_property
    def _commands(self) -> list[tuple[tuple[Any, ...], list[tuple[int, Word]]]]:
        """RQ's commands, and for each the places of words that are not the same for all deliveries."""
        with self._queue.connection.pipeline() as pipe:
            pipe.multi()  # RQ calls this itself where it was not called before the first command
            self.as_rq_does(pipe, _SAMPLE)
            commands = [words for words, _ in pipe.command_stack]
        return [(words, _changing(words)) for words in commands]


def _changing(words: tuple[Any, ...]) -> list[tuple[int, Word]]:
    found: list[tuple[int, Word]] = []
    for place, word in enumerate(words):
        before = words[place - 1]
        if before in _TIMES:
            found.append((place, lambda _ref, at: at))
        elif before == _DATA:
            found.append((place, _compressed(zlib.decompress(word))))
        elif isinstance(word, str) and _SAMPLE in word:
            found.append((place, _naming(word)))
    return found


def _naming(sample: str) -> Word:
    return lambda ref, _at: sample.replace(_SAMPLE, ref)


def _compressed(sample: bytes) -> Word:
    before, after = sample.split(_SAMPLE.encode())
    return lambda ref, _at: zlib.compress(before + ref.encode() + after)
