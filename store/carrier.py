"""A Redis client for many greenlets: what they ask in one turn of the loop goes out together, in one write.

Only processes that may run on gevent import this.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias, cast

import gevent
import redis
from gevent.event import AsyncResult
from gevent.monkey import is_module_patched
from redis.client import Pipeline
from redis.connection import AbstractConnection

BLOCKING: Final = frozenset({"BLMOVE"})
"""Commands that make others wait behind them: each has a connection to itself."""
SMALL: Final = 8
"""A pipeline of more commands than that goes its own way: others would wait for all of its answers."""

Command: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
"""Its words, and redis-py's options for reading the answer."""
Asked: TypeAlias = "tuple[Sequence[Command], AsyncResult[list[Any]]]"


class Carrier(redis.Redis):
    """Carries commands, and small pipelines that are no transactions, in batches; all others go their own ways.

    A command behaves as ever for its caller, who waits for its own answer and gets its own error; if the connection
    fails, all callers of the batch get that error.
    """

    def __init__(self, pool: redis.ConnectionPool) -> None:
        super().__init__(connection_pool=pool)
        self._asked: list[Asked] = []
        self._carries = False

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Do what redis-py's own does, together with what others ask."""
        if args[0] in BLOCKING:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        return self.parse_response(self.carry([(args, options)])[0], args[0], **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: Any = True, shard_hint: Any = None) -> Pipeline:  # noqa: FBT002 - redis-py's own
        """Return a pipeline that is carried along if that suits."""
        if transaction:
            return super().pipeline(transaction, shard_hint)
        return _Parcel(self)

    def carry(self, commands: Sequence[Command]) -> list["Answer"]:
        """Return what came for each command, once the batch that has taken them along is back.

        Raises redis.RedisError if the whole batch has failed.
        """
        answers: AsyncResult[list[Answer]] = AsyncResult()
        self._asked.append((commands, answers))
        if not self._carries:
            self._carries = True
            gevent.spawn(self._carry)
        return self._wait_for(answers)

    def _wait_for(self, answers: "AsyncResult[list[Answer]]") -> list["Answer"]:
        return cast("list[Answer]", answers.get())

    def _carry(self) -> None:
        """Carry batches until nobody asks any more. While one is under way, the next one gathers."""
        connection: redis.Connection | None = None
        try:
            while self._asked:
                batch, self._asked = self._asked, []
                try:
                    # kept from batch to batch: the pool looks at each that it hands out, which is a call to the kernel
                    connection = connection or self.connection_pool.get_connection()
                    found = _replies(connection, [commands for commands, _ in batch])
                except redis.RedisError as error:
                    for _, answers in batch:
                        answers.set_exception(error)
                    continue
                for (_, answers), come in zip(batch, found, strict=True):
                    answers.set(come)
        finally:
            self._carries = False
            if connection is not None:
                self.connection_pool.release(connection)


def carried(connection: redis.Redis) -> redis.Redis:
    """Return a client like `connection` that carries, if greenlets are what this process has for threads."""
    return Carrier(connection.connection_pool) if is_module_patched("threading") else connection


class Answer:
    """One reply, or one error, which redis-py reads as if it came from a connection just now."""

    __slots__ = ("_come",)

    def __init__(self, come: Any) -> None:
        self._come = come

    def read_response(self, **_: Any) -> Any:
        """Return the reply. Raises the error."""
        if isinstance(self._come, Exception):
            raise self._come
        return self._come


class _Parcel(Pipeline):
    """A pipeline whose commands are carried with those of others."""

    def __init__(self, carrier: Carrier) -> None:
        super().__init__(carrier.connection_pool, carrier.response_callbacks, transaction=False, shard_hint=None)
        self._carrier = carrier

    def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's own
        """Do what redis-py's own does, together with what others ask."""
        stack = self.command_stack
        if not stack or len(stack) > SMALL or self.scripts or self.watching or self.explicit_transaction:
            return super().execute(raise_on_error)
        self.reset()
        replies = [
            self._reply(answer, args, options)
            for (args, options), answer in zip(stack, self._carrier.carry(stack), strict=True)
        ]
        if raise_on_error:
            self.raise_first_error(stack, replies)  # type: ignore[no-untyped-call]
        return replies

    def _reply(self, answer: Answer, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        try:
            return self.parse_response(answer, args[0], **options)  # type: ignore[no-untyped-call]
        except redis.ResponseError as error:
            return error


def _replies(connection: AbstractConnection, batch: Sequence[Sequence[Command]]) -> list[list[Answer]]:
    return connection.retry.call_with_retry(
        lambda: _exchange(connection, batch),
        lambda _: connection.disconnect(),  # type: ignore[no-untyped-call]
    )


def _exchange(connection: AbstractConnection, batch: Sequence[Sequence[Command]]) -> list[list[Answer]]:
    """Send everything in one write and read what comes; what cannot be sent is an error of its own caller alone."""
    packed = [_pack(connection, commands) for commands in batch]
    words = b"".join(each for each in packed if isinstance(each, bytes))
    connection.send_packed_command([words])  # type: ignore[no-untyped-call]  # redis has types for most of it only
    return [
        [_answer(connection) if isinstance(sent, bytes) else Answer(sent) for _ in commands]
        for commands, sent in zip(batch, packed, strict=True)
    ]


def _pack(connection: AbstractConnection, commands: Sequence[Command]) -> bytes | Exception:
    try:
        return b"".join(connection.pack_commands([args for args, _ in commands]))  # type: ignore[no-untyped-call]
    except (redis.DataError, UnicodeError) as error:
        return error


def _answer(connection: AbstractConnection) -> Answer:
    try:
        return Answer(connection.read_response())
    except redis.ResponseError as error:
        return Answer(error)
