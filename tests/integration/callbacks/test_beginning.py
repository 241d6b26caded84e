"""What no CallbackServer can be made of."""

from __future__ import annotations

import pytest
from hooks import SECRET

from client import CallbackServer

pytestmark = pytest.mark.sockets


@pytest.mark.parametrize("secret", ["", "!", None, [], ["whsec_"]])
def test_a_secret_that_is_none_is_told_before_anything_listens(secret: object) -> None:
    with pytest.raises(ValueError, match="secret"):
        CallbackServer(secret)  # type: ignore[arg-type]


def test_a_port_that_is_taken_is_an_os_error(server: CallbackServer) -> None:
    with pytest.raises(OSError, match="in use"):
        CallbackServer(SECRET, port=server.port)


@pytest.mark.parametrize("wrong", [{"path": "hooks"}, {"tolerance": -1}, {"request_timeout": float("nan")}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CallbackServer(SECRET, **wrong)  # type: ignore[arg-type]
