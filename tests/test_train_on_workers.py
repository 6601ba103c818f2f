"""Workers train the same network, start again where they stopped, and speak to nobody else."""

import concurrent.futures
import contextlib
import gc
import json
import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from chapter14 import train_on_workers

HERE, THERE = "here:2222", "there:2222"


def config(workers, index=0, kind="worker"):
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": kind, "index": index}})


def free_addresses(number):
    with contextlib.ExitStack() as stack:
        servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
        names = [stack.enter_context(server).getsockname() for server in servers]
    return [f"{host}:{port}" for host, port in names]


def host_and_port(address):
    host, port = address.split(":")
    return host, int(port)


def start_all(number, folder, **environment):
    command = [sys.executable, "-O", "-m", "chapter14.train_on_workers", "--folder", folder]
    command += ["--images", "2400", "--epochs", "3", "--seed", "15"]
    workers = free_addresses(number)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    environments = [
        os.environ | environment | {"TF_CONFIG": config(workers, index)} for index in range(number)
    ]
    return [subprocess.Popen(command, env=each, **pipes) for each in environments]


def epochs_printed(processes):
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), outputs
    return [line.split(":")[0] for line in outputs[0][0].splitlines()]


def arrays_of(path):
    with np.load(path, allow_pickle=False) as file:
        return list(file.values())


def assert_close(some, others, tolerance):
    for one, other in zip(some, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


@pytest.fixture(scope="module")
def one_worker(tmp_path_factory):
    """The weights that one worker trains, in a place with other settings than usual."""
    folder = tmp_path_factory.mktemp("ein Ort für sich")
    settings = {"floatx": "float16", "backend": "torch", "epsilon": 0.1}
    (folder / "keras.json").write_text(json.dumps(settings), encoding="utf-8")
    processes = start_all(
        1,
        folder,
        KERAS_HOME=str(folder),
        KERAS_BACKEND="jax",
        KERAS_MAX_EPOCHS="1",
        KERAS_MAX_STEPS_PER_EPOCH="1",
        LC_ALL="C",
        PYTHONUTF8="0",
        PYTHONCOERCECLOCALE="0",
    )
    assert epochs_printed(processes) == ["epoch 1", "epoch 2", "epoch 3"]
    return arrays_of(folder / "worker-0.npz")


def test_two_workers_killed_and_started_again_train_the_network_that_one_trains(
    one_worker, tmp_path
):
    chief, other = start_all(2, tmp_path)
    assert chief.stdout.readline().startswith("epoch 1:")
    for process in (other, chief):
        process.kill()
        process.communicate()
    with np.load(tmp_path / "checkpoint.npz") as checkpoint:
        done = int(checkpoint["epoch"])
    again = epochs_printed(start_all(2, tmp_path))
    assert again == [f"epoch {epoch}" for epoch in range(done + 1, 4)]
    weights = arrays_of(tmp_path / "worker-0.npz")
    assert_close(weights, arrays_of(tmp_path / "worker-1.npz"), 0)
    assert_close(weights, one_worker, 1e-4)


def test_the_seed_decides_the_weights(one_worker):
    same, other = (train_on_workers.build(seed)[0].get_weights() for seed in (15, 14))
    assert_close(one_worker, same, 0.1)  # 30 steps don't lead far
    assert not np.allclose(one_worker[0], other[0], rtol=0, atol=0.1)


def test_the_seed_and_the_epoch_decide_the_batches():
    keys = [(14, 0), (14, 1), (15, 0), (14, 0)]
    first, *others, again = (train_on_workers.batches(25, 10, *key) for key in keys)
    np.testing.assert_array_equal(first, again)
    for order in (first, *others):
        assert len(set(order.ravel())) == order.size == 20
    assert not any(np.array_equal(first, order) for order in others)


def test_an_interrupted_save_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    keras = pytest.importorskip("keras")
    weights = keras.Variable([1.0, 2.0], name="weights")
    path = tmp_path / "checkpoint.npz"
    train_on_workers.save(path, 7, [weights])

    def disk_full(file, **arrays):
        file.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", disk_full)
    weights.assign([3.0, 4.0])
    with pytest.raises(OSError, match="no space"):
        train_on_workers.save(path, 8, [weights])
    assert train_on_workers.load(path, [weights]) == 7
    assert np.asarray(weights).tolist() == [1.0, 2.0]


def wait(workers, index, timeout):
    """Return what a worker says when it gives up, or None if it is to start."""
    try:
        if index == 0:
            train_on_workers.wait_for_workers(workers, timeout)
        else:
            train_on_workers.wait_for_chief(workers, index, timeout)
    except SystemExit as end:
        return end.code
    return None


@pytest.fixture
def pool():
    with concurrent.futures.ThreadPoolExecutor() as pool:
        yield pool


def connect(address):
    for _ in range(100):
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(host_and_port(address))
        time.sleep(0.05)
    raise AssertionError(f"nobody listens on {address}")


@pytest.mark.parametrize("index", [0, 1])
def test_a_worker_that_never_comes_is_named(index):
    workers = free_addresses(2)
    assert workers[1 - index] in wait(workers, index, 0.5)


def test_a_worker_gives_up_although_the_chief_still_waits(pool):
    workers = free_addresses(3)
    chief = pool.submit(wait, workers, 0, 2)
    assert workers[0] in wait(workers, 1, 1)
    assert workers[2] in chief.result(10)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("host", ["no..name", "n" * 70])
def test_a_host_that_cannot_exist_is_named(host, index):
    assert f"{host}:2222" in wait([f"{host}:2222", THERE], index, 0.2)


OTHER_CLUSTER = train_on_workers.greeting([HERE, THERE], 1)


@pytest.mark.parametrize(
    "message", [b"", b"\x00\x01", b"1", b"GET / HTTP/1.1\r\n\r\n", bytes(10_000), OTHER_CLUSTER]
)
def test_strangers_neither_count_nor_hold_the_meeting_up(pool, message):
    workers = free_addresses(2)
    chief = pool.submit(wait, workers, 0, 1)
    with connect(workers[0]) as stranger:
        stranger.sendall(message)
        assert workers[1] in chief.result(10)

    chief = pool.submit(wait, workers, 0, 10)
    with connect(workers[0]) as stranger:
        stranger.sendall(message)
        assert wait(workers, 1, 10) is None
        assert chief.result(10) is None


def test_a_worker_starts_only_when_the_chief_says_so(pool):
    workers = free_addresses(2)
    with socket.create_server(host_and_port(workers[0])) as stranger:
        worker = pool.submit(wait, workers, 1, 1)
        with stranger.accept()[0] as connection:
            connection.sendall(b"go")
            assert workers[0] in worker.result(10)


def test_the_chief_listens_on_its_own_address_only(pool):
    workers = free_addresses(2)
    chief = pool.submit(wait, workers, 0, 1)
    connect(workers[0]).close()
    with pytest.raises(OSError):  # noqa: PT011, another on each system
        socket.create_connection(("127.0.0.2", host_and_port(workers[0])[1]), timeout=1)
    assert workers[1] in chief.result(10)


def test_an_address_in_use_is_named():
    workers = free_addresses(2)
    with socket.create_server(host_and_port(workers[0])):
        assert workers[0] in wait(workers, 0, 1)


def test_after_the_meeting_every_socket_is_closed(pool, recwarn):
    workers = free_addresses(2)
    chief = pool.submit(wait, workers, 0, 10)
    assert wait(workers, 1, 10) is None
    assert chief.result(10) is None
    socket.create_server(host_and_port(workers[0])).close()
    gc.collect()
    assert [warning for warning in recwarn if "socket" in str(warning.message)] == []


def test_a_cluster_that_is_right(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config([HERE, "there:65535"], 1))
    assert train_on_workers.find_cluster() == ([HERE, "there:65535"], 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "JSON"),
        ("[]", "JSON"),
        ("{}", "cluster"),
        (config([]), "cluster.worker"),
        (config(HERE), "cluster.worker"),
        (config([HERE, HERE]), "distinct"),
        (config(["here"]), "host:port"),
        (config(["here:0"]), "host:port"),
        (config(["here:65536"]), "host:port"),
        (config([1, 2]), "host:port"),
        (config([HERE, THERE], 2), "task"),
        (config([HERE], -1), "task"),
        (config([HERE], "0"), "task"),
        (config([HERE], kind="ps"), "task"),
        (config([HERE]).replace('"cluster": {', '"cluster": {"chief": ["there:2222"], '), "chief"),
    ],
)
def test_a_cluster_that_is_wrong(monkeypatch, text, reason):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(SystemExit, match=f"TF_CONFIG: .*{reason}"):
        train_on_workers.find_cluster()


STEP = {
    "SLURM_PROCID": "1",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_NODELIST": "node[1-2]",
    "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
}


def find_cluster_under_slurm(monkeypatch, variables):
    for name in [name for name in os.environ if name.startswith("SLURM_")] + ["TF_CONFIG"]:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    try:
        return train_on_workers.find_cluster()
    finally:
        os.environ.pop("TF_CONFIG", None)  # find_cluster has set it


def test_slurm_with_srun(monkeypatch):
    assert find_cluster_under_slurm(monkeypatch, STEP) == (["node1:8888", "node2:8888"], 1)


@pytest.mark.parametrize(
    "wrong",
    [
        dict.fromkeys(list(STEP)[1:]),
        {"SLURM_STEP_NODELIST": None},
        {"SLURM_STEP_NODELIST": "node[1-"},
        {"SLURM_STEP_TASKS_PER_NODE": "some"},
        {"SLURM_STEP_NUM_TASKS": "some"},
        {"SLURM_STEP_NUM_TASKS": "3"},
        {"SLURM_PROCID": "first"},
        {"SLURM_PROCID": "2"},
    ],
)
def test_slurm_without_srun(monkeypatch, wrong):
    variables = {name: value for name, value in (STEP | wrong).items() if value is not None}
    with pytest.raises(SystemExit, match=r"SLURM_PROCID is set, .*srun"):
        find_cluster_under_slurm(monkeypatch, variables)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--batch-size", "15"), ("--batch-size", "0"), ("--images", "100"), ("--images", "60000")],
)
def test_batches_that_cannot_be_made(monkeypatch, tmp_path, option, value):
    monkeypatch.setenv("TF_CONFIG", config([HERE, THERE]))
    monkeypatch.setattr(sys, "argv", ["", "--folder", str(tmp_path), option, value])
    with pytest.raises(SystemExit, match=f"{option}: .*{value}"):
        train_on_workers.main()


def test_help_without_docstrings():
    command = [sys.executable, "-OO", "-m", "chapter14.train_on_workers", "--help"]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert "--seed" in result.stdout
    assert "Train the classifier on several machines." in result.stdout
