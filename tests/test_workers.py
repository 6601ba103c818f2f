"""The worker script: who takes part, who is refused, and that all end with the same weights."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SCRIPT = NOTEBOOKS / "train_on_workers.py"
sys.path.insert(0, str(NOTEBOOKS))
import train_on_workers  # noqa: E402

HERE, THERE = "here:2222", "there:2222"


def config(workers, index=0, kind="worker"):
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": kind, "index": index}})


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(workers, index, folder, *options):
    environment = os.environ | {"TF_CONFIG": config(workers, index), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, SCRIPT, "--folder", folder, *options]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def test_it_is_short():
    assert len(SCRIPT.read_text().splitlines()) < 150


def test_a_cluster_that_is_right(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config([HERE, THERE], 1))
    assert train_on_workers.find_cluster() == ([HERE, THERE], 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected JSON with cluster.worker and task.index"),
        ("{", "expected JSON"),
        ("[]", "expected JSON"),
        ("{}", "KeyError\\('cluster'\\)"),
        (config([]), "cluster.worker: expected a list of distinct host:port, got \\[\\]"),
        (config("here:2222"), "cluster.worker: expected a list"),
        (config([HERE, HERE]), "cluster.worker: expected a list of distinct"),
        (config(["here"]), "cluster.worker: expected a list"),
        (config([1, 2]), "cluster.worker: expected a list"),
        (config([HERE, THERE], 2), "task: expected a worker, 0 to 1, got"),
        (config([HERE], -1), "task: expected a worker"),
        (config([HERE], "0"), "task: expected a worker"),
        (config([HERE], kind="ps"), "task: expected a worker"),
    ],
)
def test_a_cluster_that_is_wrong(monkeypatch, text, reason):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(SystemExit, match=f"TF_CONFIG: .*{reason}"):
        train_on_workers.find_cluster()


@pytest.mark.parametrize("index", [0, 1])
def test_a_worker_that_never_comes(tmp_path, index):
    workers = [f"127.0.0.1:{free_port()}" for _ in range(3)]
    started = time.perf_counter()
    lonely = start(workers, index, tmp_path, "--timeout", "2")
    _, message = lonely.communicate(timeout=60)
    assert lonely.returncode == 1
    missing = workers[1:] if index == 0 else workers[:1]
    assert message.strip() == f"not all workers came within 2 s: no {', '.join(missing)}"
    assert time.perf_counter() - started < 30


def test_a_batch_that_cannot_be_shared(tmp_path):
    worker = start([HERE, THERE], 0, tmp_path, "--batch-size", "15")
    _, message = worker.communicate(timeout=60)
    assert message.strip() == "--batch-size: expected a multiple of 2, got 15"


def test_two_workers_end_with_the_same_weights_and_go_on_later(tmp_path):
    options = "--images", "4800"
    for epochs in ("1", "2"):
        workers = [f"127.0.0.1:{free_port()}" for _ in range(2)]
        both = [start(workers, i, tmp_path, *options, "--epochs", epochs) for i in (0, 1)]
        outputs = [process.communicate(timeout=300) for process in both]
        assert [process.returncode for process in both] == [0, 0], outputs
        lines = outputs[0][0].splitlines()
        assert [line.split(":")[0] for line in lines] == [f"epoch {epochs}"]
    with np.load(tmp_path / "worker-0.npz") as one, np.load(tmp_path / "worker-1.npz") as other:
        assert all(np.array_equal(one[name], other[name]) for name in one.files)
        assert len(one.files) == 5


def test_strangers_at_the_meeting_neither_count_nor_hold_it_up():
    port = free_port()
    workers = [f"127.0.0.1:{port}", THERE]
    ended = []

    def wait():
        try:
            train_on_workers.wait_for_all(workers, 0, 3)
        except SystemExit as end:
            ended.append(str(end))

    chief = threading.Thread(target=wait)
    chief.start()
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()  # goes at once
            break
    with socket.create_connection(("127.0.0.1", port)):  # says nothing
        chief.join(10)
    assert ended == [f"not all workers came within 3 s: no {THERE}"]


def test_a_batch_of_nothing_is_refused(tmp_path):
    worker = start([HERE], 0, tmp_path, "--batch-size", "0")
    assert "--batch-size: expected a multiple of 1, got 0" in worker.communicate(timeout=60)[1]
    assert worker.returncode == 1
