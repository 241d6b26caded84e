"""`dubq demo`, as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest
from service import ROOT, eventually

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.sockets


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    env = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "cli.main", "demo", *words]
    # with settings that would spoil it, were they not left out
    env |= {"DUBQ_REDIS_URL": "redis://127.0.0.1:1", "DUBQ_SIM_SPEED": "0.01"}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def family_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def living(family: list[psutil.Process]) -> list[psutil.Process]:
    return [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def test_the_demonstration_shows_both_ways_and_leaves_nothing(tmp_path: Path) -> None:
    process = start(tmp_path, "--json")
    eventually(lambda: len(family_of(process)) >= 4, 30)
    family = family_of(process)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    jobs = {job["title"]: job for job in json.loads(out)["jobs"]}
    assert {title: job["state"] for title, job in jobs.items()} == {
        "Keynote": "completed",
        "Product tour": "completed",
        "Interview": "completed",
        "Silent film": "error",
        "Wrong file": "cancelled",
    }
    assert jobs["Interview"]["attempts"] == 2
    assert max(job["told"]["requests"] for job in jobs.values()) <= 2, jobs
    assert min(job["asking"]["requests"] for job in jobs.values()) >= 2, jobs
    assert json.loads(out)["median_delay_s"]["told"] < 0.5
    assert living(family) == []
    assert list(tmp_path.glob("dubq-*")) == []


def test_a_demonstration_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    process = start(tmp_path)
    assert process.stderr
    for line in process.stderr:
        if "voice" in line:  # jobs are under way
            break
    family = family_of(process)
    assert len(family) >= 4  # Valkey, gunicorn and its process, a worker
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert living(family) == []
    assert list(tmp_path.glob("dubq-*")) == []


def test_a_demonstration_that_is_interrupted_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    process = start(tmp_path)
    eventually(lambda: len(family_of(process)) >= 2, 30)
    family = family_of(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert living(family) == []
    assert list(tmp_path.glob("dubq-*")) == []
