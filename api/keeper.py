"""Keeps what belongs to clients as it should be, in the background: ends tokens in time, and Redis users in being."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import redis
import structlog

from store.rounds import Rounds

if TYPE_CHECKING:
    from store.clients import Clients
    from store.streams import Streams

    from .settings import ApiSettings

PAUSE_S: Final = 1.0
log = structlog.get_logger()


class Keeper(Rounds):
    """Takes a turn every `pause_s` seconds, in every process: any of them may be the last."""

    def __init__(
        self, settings: ApiSettings, clients: Clients, streams: Streams | None = None, *, pause_s: float = PAUSE_S
    ) -> None:
        super().__init__("keeper")
        self._settings, self._clients, self._streams, self._pause_s = settings, clients, streams, pause_s
        self._needs_admin = settings.auth and settings.admin_token is None
        self._problem = ""

    def turn(self) -> None:
        """Look after everything once. What goes wrong is logged, and may go better in a second."""
        try:
            self._look_after_all()
        except redis.RedisError as error:
            log.warning("clients_not_looked_after", error=str(error))
        except Exception:
            log.exception("clients_failed")

    def pause_s(self) -> float:
        """Return the seconds until the next turn."""
        return self._pause_s

    def _look_after_all(self) -> None:
        if self._needs_admin:
            self._make_admin()
        for client_id in self._clients.retire():
            log.info("token_ended", client_id=client_id)
        self._clients.forget_deleted()
        if self._streams is not None:
            self._streams.beat()
        if self._settings.auth:
            self._keep_redis_users()

    def _keep_redis_users(self) -> None:
        self._clients.restore_redis_users()
        problem = self._clients.redis_users.problem
        if problem and problem != self._problem:
            log.warning("no_redis_users", reason=problem)
        self._problem = problem

    def _make_admin(self) -> None:
        token = self._clients.make_admin()
        if token:
            # past the log, whose lines are collected and kept by others
            sys.stderr.write(f"dubq: the admin's token, shown this once: {token}\n")
            sys.stderr.flush()
        self._needs_admin = False
