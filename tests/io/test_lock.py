"""One writer per folder; the lock of a dead process is free."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from napari_centermask.io import lock as module
from napari_centermask.io.lock import RUN_LOCK, FolderLock, lock_folder, lock_for_run
from napari_centermask.io.own_files import LOCK

HOLD = """
import sys, time
from napari_centermask.io.lock import lock_folder
lock = lock_folder(sys.argv[1])
print(type(lock).__name__, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder's lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() == "FolderLock"
    yield process
    process.kill()
    process.communicate()


def test_another_process_is_named_and_its_death_frees_the_lock(tmp_path, holder):
    assert f"process {holder.pid}" in lock_folder(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    lock = lock_folder(tmp_path)
    assert isinstance(lock, FolderLock)
    assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    lock.release()


def test_two_windows_of_one_process_know_of_each_other(tmp_path):
    first = lock_folder(tmp_path)
    assert "another window of this napari" in lock_folder(tmp_path)
    first.release()
    first.release()
    second = lock_folder(tmp_path)
    assert isinstance(second, FolderLock)
    second.release()


@pytest.mark.parametrize(
    ("content", "free"),
    [
        ({"pid": 2**22 + 12345, "host": socket.gethostname()}, True),
        ({"pid": 1, "host": socket.gethostname()}, False),
        ({"pid": 1, "host": "elsewhere"}, False),
        ({"pid": "x"}, True),
        ([], True),
        ("torn", True),
    ],
)
def test_where_the_file_system_knows_no_locks_the_named_process_decides(tmp_path, monkeypatch, content, free):
    def refuse(_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(module, "_lock", refuse)
    (tmp_path / LOCK).write_text(content if content == "torn" else json.dumps(content))
    lock = lock_folder(tmp_path)
    assert isinstance(lock, FolderLock) == free
    if free:
        lock.release()
    else:
        assert "process 1" in lock


def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    assert "cannot be written" in lock_folder(tmp_path / "missing")


def test_a_run_waits_for_another_as_long_as_it_may(tmp_path, monkeypatch):
    first, waits = lock_for_run(tmp_path), []
    monkeypatch.setattr(module.time, "sleep", lambda seconds: waits.append(seconds) or first.release())
    lock_for_run(tmp_path, patience_s=60).release()
    assert waits
    assert not (tmp_path / RUN_LOCK).exists()
