"""Notices and claims: what a service leaves word of, and what only one can have."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from cli.exits import StartError
from cli.processes import Mark, mark_of, members
from cli.runtime import Claim, Notice, Runtime

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return Runtime.of_user({"XDG_RUNTIME_DIR": str(tmp_path)})


def a_notice(port: int = 5000) -> Notice:
    return Notice(
        supervisor=Mark(10, 1.5),
        port=port,
        url=f"http://127.0.0.1:{port}",
        redis_url="unix:///somewhere/s",
        data=None,
        logs="/somewhere/logs",
        scratch="/somewhere/scratch",
        drain_s=20.0,
        parts={"valkey": Mark(11, 2.5), "worker-1": Mark(12, 3.5)},
    )


def test_a_notice_is_read_as_it_was_written(runtime: Runtime) -> None:
    runtime.write(a_notice())
    assert runtime.read(5000) == a_notice()


def test_each_port_has_its_own_notice(runtime: Runtime) -> None:
    runtime.write(a_notice(5000))
    assert runtime.read(5001) is None


def test_a_removed_notice_is_gone_and_may_be_removed_again(runtime: Runtime) -> None:
    runtime.write(a_notice())
    runtime.remove(5000)
    runtime.remove(5000)
    assert runtime.read(5000) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"parts": {"api": {"pid": 1}}}', "null"])
def test_a_notice_that_cannot_be_read_is_none(runtime: Runtime, tmp_path: Path, text: str) -> None:
    (tmp_path / "dubq" / "5000.json").write_text(text)
    assert runtime.read(5000) is None


def test_the_folder_is_its_users_alone(runtime: Runtime, tmp_path: Path) -> None:
    assert runtime.read(1) is None
    assert stat.S_IMODE((tmp_path / "dubq").stat().st_mode) == 0o700


def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "dubq"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(StartError, match="only you"):
        Runtime.of_user({"XDG_RUNTIME_DIR": str(tmp_path)})


def test_a_folder_behind_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "dubq").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StartError):
        Runtime.of_user({"XDG_RUNTIME_DIR": str(tmp_path)})


def test_a_port_is_claimed_by_one_at_a_time(runtime: Runtime) -> None:
    first = runtime.claim(5000)
    assert first
    assert runtime.claim(5000) is None
    first.give_up()
    second = runtime.claim(5000)
    assert second
    second.give_up()


def test_a_claim_that_is_given_up_leaves_no_file(runtime: Runtime, tmp_path: Path) -> None:
    claim = runtime.claim(5000)
    assert claim
    claim.give_up()
    assert not list((tmp_path / "dubq").iterdir())


def test_an_empty_folder_goes_when_it_is_left(tmp_path: Path) -> None:
    with Runtime.of_user({"XDG_RUNTIME_DIR": str(tmp_path)}) as runtime:
        assert runtime.read(1) is None
    assert not list(tmp_path.iterdir())


def test_a_folder_with_another_services_notice_stays(runtime: Runtime) -> None:
    runtime.write(a_notice())
    with runtime:
        pass
    assert runtime.read(5000) == a_notice()


def test_a_port_can_be_claimed_when_the_last_one_has_just_taken_the_folder_away(
    runtime: Runtime, tmp_path: Path
) -> None:
    (tmp_path / "dubq").rmdir()
    claim = runtime.claim(5000)
    assert claim
    assert stat.S_IMODE((tmp_path / "dubq").stat().st_mode) == 0o700
    claim.give_up()


def test_a_claim_lasts_as_long_as_anybody_who_has_inherited_it(tmp_path: Path) -> None:
    claim = Claim.take(tmp_path / "lock", "5000")
    assert claim
    inherited = os.dup(claim.fd)
    claim.give_back()
    assert Claim.take(tmp_path / "lock") is None
    assert (tmp_path / "lock").read_text() == "5000"
    os.close(inherited)
    again = Claim.take(tmp_path / "lock")
    assert again
    again.give_back()


def test_this_process_is_known_by_its_pid_and_birth() -> None:
    found = mark_of(os.getpid()).process()
    assert found
    assert found.pid == os.getpid()


def test_another_process_with_the_same_pid_is_not_taken_for_it() -> None:
    born_s = psutil.Process().create_time()
    assert Mark(os.getpid(), born_s - 60).process() is None
    assert Mark(os.getpid(), time.time() + 60).process() is None


def test_a_session_that_a_later_process_with_the_same_pid_began_has_no_members() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as leader:
        ours = mark_of(leader.pid)
        assert [each.pid for each in members(ours)] == [leader.pid]
        assert members(Mark(leader.pid, ours.born_s - 60)) == []
        leader.communicate(b"\n")


def test_there_is_no_process_0_whose_session_is_everybody_elses() -> None:
    with pytest.raises(ValueError, match="pid 0"):
        Mark(0, 1.0)
