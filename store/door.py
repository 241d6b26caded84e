"""Says whose a token is, and makes guessing slow: by the address that the guesses come from."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Final

import redis

from contract.ids import DEFAULT_CLIENT
from contract.limits import Rate, TooManyWrongTokensError, to_text

from . import keys
from .credentials import sha256
from .pace import SLOTS
from .records import now_utc, to_ms

DOOR: Final = SLOTS + (Path(__file__).parent / "door.lua").read_text("utf-8")
MET_S: Final = 86_400
"""So long a token that was good at an address is looked at, however many wrong ones come from there."""
_WORDS: Final = {None: "", True: "yes", False: "no"}


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a request is made; the admin may act for anybody, and see to clients."""

    client_id: str
    is_admin: bool = False


class Door:
    """Looks at tokens; `wrong` is the rate of wrong ones that one address may have. `clock` returns aware UTC times."""

    def __init__(
        self, connection: redis.Redis, wrong: Rate | None = None, clock: Callable[[], datetime] = now_utc
    ) -> None:
        self._wrong, self._clock = wrong, clock
        self._script = connection.register_script(DOOR)

    def let_in(self, token: str, address: str, *, is_given: bool | None = None) -> Caller | None:
        """Return who shows a token, as `whose` tells."""
        return self.whose(sha256(token), address, is_given=is_given)

    def whose(self, shown: str, address: str, *, is_given: bool | None = None) -> Caller | None:
        """Return whom the token with this SHA-256 stands for; None if it is none, or none any more.

        `is_given`: whether it is the admin's, where the admin was given one; None: the service has made one.
        Raises TooManyWrongTokensError.
        """
        # what is compared is the hash of 256 random bits: how long that takes tells nothing about any token
        kind, *more = self._script(
            keys=[keys.wrong_tokens(address), keys.met(address, shown), keys.token(shown), keys.ADMIN],
            args=[to_ms(self._clock()), to_text(self._wrong), shown, _WORDS[is_given], MET_S],
        )
        if kind == b"wait":
            most, again_ms = more
            said = f"{most} tokens that are none have come from your address"
            raise TooManyWrongTokensError(said, most=most, retry_after_s=max(1, ceil(again_ms / 1000)))
        if kind == b"nobody":
            return None
        return Caller(DEFAULT_CLIENT, is_admin=True) if kind == b"admin" else Caller(more[0].decode())
