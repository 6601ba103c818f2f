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
from pathlib import Path

import numpy as np
import pytest

from chapter14 import train_on_workers

HERE, THERE = "here:2222", "there:2222"
SETTINGS = "--images 2400 --batch-size 240 --seed 15"
PLAN = b"0123456789abcdef"


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


def start_all(folders, options=(), epochs=3, **environment):
    """Start a worker for each folder; options that are given again count instead of the first."""
    command = [sys.executable, "-O", "-m", "chapter14.train_on_workers", *SETTINGS.split()]
    command += ["--epochs", str(epochs), *options, "--folder"]
    workers = free_addresses(len(folders))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    return [
        subprocess.Popen(
            [*command, folder],
            env=os.environ | environment | {"TF_CONFIG": config(workers, index)},
            **pipes,
        )
        for index, folder in enumerate(folders)
    ]


def outputs_of(processes, returncode=0):
    try:
        outputs = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()  # nothing, where it has ended
    assert [process.returncode for process in processes] == [returncode] * len(outputs), outputs
    return outputs


def epochs_printed(processes):
    return [line.split(":")[0] for line in outputs_of(processes)[0][0].splitlines()]


def arrays_of(path):
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def assert_close(some, others, tolerance):
    assert some.keys() == others.keys()
    for name in some:
        np.testing.assert_allclose(some[name], others[name], rtol=0, atol=tolerance)


@pytest.fixture(scope="module")
def one_worker_folder(tmp_path_factory):
    """What one worker leaves that trains in a place with other settings than usual."""
    folder = tmp_path_factory.mktemp("ein Ort für sich")
    settings = {"floatx": "float16", "backend": "torch", "epsilon": 0.1}
    (folder / "keras.json").write_text(json.dumps(settings), encoding="utf-8")
    processes = start_all(
        [folder],
        KERAS_HOME=str(folder),
        KERAS_BACKEND="jax",
        KERAS_MAX_EPOCHS="1",
        KERAS_MAX_STEPS_PER_EPOCH="1",
        LC_ALL="C",
        PYTHONUTF8="0",
        PYTHONCOERCECLOCALE="0",
    )
    assert epochs_printed(processes) == ["epoch 1", "epoch 2", "epoch 3"]
    return folder


@pytest.fixture(scope="module")
def one_worker(one_worker_folder):
    """The weights that one worker trains."""
    return arrays_of(one_worker_folder / "worker-0.npz")


def test_two_workers_killed_and_started_again_train_the_network_that_one_trains(
    one_worker, tmp_path
):
    chief, other = start_all(
        [tmp_path] * 2, epochs=1_000
    )  # so both still train when they're killed
    assert chief.stdout.readline().startswith("epoch 1:")
    for process in (other, chief):
        process.kill()
        assert process.wait() != 0
        process.communicate()
    done = int(arrays_of(tmp_path / "checkpoint.npz")["epoch"])
    again = epochs_printed(start_all([tmp_path] * 2, epochs=done + 2))
    assert again == [f"epoch {epoch}" for epoch in (done + 1, done + 2)]
    weights = arrays_of(tmp_path / "worker-0.npz")
    assert_close(weights, arrays_of(tmp_path / "worker-1.npz"), 0)
    if done == 1:  # as nearly always
        assert_close(weights, one_worker, 1e-4)


@pytest.fixture
def finished(one_worker_folder, tmp_path):
    """A folder with the checkpoint of epoch 3, as one worker has left it."""
    (tmp_path / "checkpoint.npz").write_bytes((one_worker_folder / "checkpoint.npz").read_bytes())
    return tmp_path


def test_a_folder_that_the_workers_do_not_share_stops_them_all(finished, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    for _, error in outputs_of(start_all([finished, other, finished], epochs=5), returncode=1):
        assert error.startswith(train_on_workers.DISAGREEMENT)
        assert error.count("\n") == 1
    assert int(arrays_of(finished / "checkpoint.npz")["epoch"]) == 3


@pytest.mark.parametrize("option", ["--images 4800", "--batch-size 120", "--seed 16"])
def test_a_checkpoint_of_other_settings_is_not_taken(finished, option):
    [[output, error]] = outputs_of(start_all([finished], option.split()), returncode=1)
    assert output == ""
    assert SETTINGS in error
    assert "--folder" in error
    assert error.count("\n") == 1


def test_a_finished_training_says_so_and_its_arrays_are_matched_by_name(finished, one_worker):
    arrays = arrays_of(finished / "checkpoint.npz")
    np.savez(finished / "checkpoint.npz", **dict(reversed(arrays.items())))
    [[output, _]] = outputs_of(start_all([finished]))
    assert output == "nothing left to do: 3 epochs are finished, of 3\n"
    assert "sequential/simple_rnn/simple_rnn_cell/recurrent_kernel" in one_worker
    assert_close(arrays_of(finished / "worker-0.npz"), one_worker, 0)


def test_the_seed_decides_the_weights(one_worker):
    same, other = (train_on_workers.build(seed)[0].get_weights() for seed in (15, 14))
    for name, initial in zip(one_worker, same, strict=True):
        np.testing.assert_allclose(one_worker[name], initial, rtol=0, atol=0.1)  # 30 steps
    assert not np.allclose(same[0], other[0], rtol=0, atol=0.1)


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
    train_on_workers.save(path, 7, SETTINGS, [weights])

    def disk_full(file, **arrays):
        file.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", disk_full)
    weights.assign([3.0, 4.0])
    with pytest.raises(OSError, match="no space"):
        train_on_workers.save(path, 8, SETTINGS, [weights])
    saved = train_on_workers.read(path, SETTINGS)
    assert saved["epoch"] == 7
    assert saved["weights"].tolist() == [1.0, 2.0]


def wait(workers, index, timeout, plan=PLAN):
    """Return what a worker says when it gives up, or None if it is to start."""
    try:
        if index == 0:
            train_on_workers.wait_for_workers(workers, plan, timeout)
        else:
            train_on_workers.wait_for_chief(workers, index, plan, timeout)
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


OTHER_CLUSTER = train_on_workers.greeting([HERE, THERE], 1) + b" " + PLAN


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


def test_workers_of_another_plan_are_named_and_nobody_starts(pool):
    workers = free_addresses(3)
    chief = pool.submit(wait, workers, 0, 10)
    same = pool.submit(wait, workers, 1, 10)
    other = pool.submit(wait, workers, 2, 10, b"another")
    assert same.result(10) == other.result(10) == train_on_workers.DISAGREEMENT
    assert workers[2] in chief.result(10)
    assert workers[1] not in chief.result(10)


@pytest.mark.parametrize(("option", "value"), [("--epochs", "4"), ("--seed", "16")])
def test_the_options_are_part_of_the_plan(monkeypatch, tmp_path, option, value):
    plans = []
    monkeypatch.setattr(
        train_on_workers, "wait_for_workers", lambda _, plan, __: plans.append(plan)
    )
    monkeypatch.setattr(train_on_workers, "train", lambda *arguments: None)
    monkeypatch.setenv("TF_CONFIG", config([HERE, THERE]))
    for options in ([], [option, value], []):
        monkeypatch.setattr(sys, "argv", ["", "--folder", str(tmp_path), *options])
        train_on_workers.main()
    assert plans[0] == plans[2] != plans[1]


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


needs_bash = pytest.mark.skipif(os.name != "posix", reason="Slurm needs a Unix system")
JOB = Path(train_on_workers.__file__).with_suffix(".slurm")
STEP = {  # as Slurm 22.05 sets them for the second of three workers, two of them on node9
    "SLURM_JOB_ID": "3007",
    "SLURM_STEP_NODELIST": "node[9-10]",
    "SLURM_STEP_TASKS_PER_NODE": "2,1",
    "SLURMD_NODENAME": "node9",
    "SLURM_LOCALID": "1",
    "SLURM_PROCID": "1",
}
HOSTNAMES = """
[ "$1 $2 $#" = "show hostnames 3" ] || exit 2
case $3 in
"node[9-10]") printf "node9\nnode10\n" ;;
"node[8-11]") printf "node8\nnode9\nnode10\nnode11\n" ;;
"node[01-04]") printf "node01\nnode02\nnode03\nnode04\n" ;;
*) exit 1 ;;
esac
"""


def put_program(folder, name, script):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


@pytest.fixture
def find_cluster_under_slurm(monkeypatch, tmp_path):
    """A function of the variables that Slurm sets; `scontrol` is a stub."""
    put_program(tmp_path / "bin", "scontrol", HOSTNAMES)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)

    def find(variables):
        for name in [name for name in os.environ if name.startswith("SLURM")] + ["TF_CONFIG"]:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        try:
            return train_on_workers.find_cluster()
        finally:
            os.environ.pop("TF_CONFIG", None)  # find_cluster has set it

    return find


@needs_bash
def test_slurm_with_srun(find_cluster_under_slurm):
    workers, index = find_cluster_under_slurm(STEP)
    [node9, also_node9, node10] = map(host_and_port, workers)
    assert index == 1
    assert [node9[0], also_node9[0], node10[0]] == ["node9", "node9", "node10"]
    assert also_node9[1] == node9[1] + 1


@needs_bash
@pytest.mark.parametrize("nodes", [range(8, 12), ["01", "02", "03", "04"]])
def test_slurm_ranks_and_hosts_match(find_cluster_under_slurm, nodes):
    step = STEP | {"SLURM_STEP_NODELIST": f"node[{nodes[0]}-{nodes[-1]}]", "SLURM_LOCALID": "0"}
    step["SLURM_STEP_TASKS_PER_NODE"] = "1(x4)"
    for rank, node in enumerate(nodes):
        place = {"SLURM_PROCID": str(rank), "SLURMD_NODENAME": f"node{node}"}
        workers, index = find_cluster_under_slurm(step | place)
        assert index == rank
        assert [worker.split(":")[0] for worker in workers] == [f"node{each}" for each in nodes]


@needs_bash
def test_slurm_jobs_on_one_machine_have_ports_of_their_own(find_cluster_under_slurm):
    jobs = [
        find_cluster_under_slurm(STEP | {"SLURM_JOB_ID": str(job)})[0] for job in range(999, 1005)
    ]
    workers = [worker for job in jobs for worker in job]
    assert len(set(workers)) == len(workers)
    assert all(1024 <= host_and_port(worker)[1] < 32_768 for worker in workers)  # no temporary port


@needs_bash
def test_slurm_with_workers_in_another_order(find_cluster_under_slurm):
    with pytest.raises(SystemExit, match="--distribution=block"):
        find_cluster_under_slurm(STEP | {"SLURM_PROCID": "2"})


@needs_bash
@pytest.mark.parametrize(
    "wrong",
    [
        dict.fromkeys(list(STEP)[:-1]),
        *({name: None} for name in list(STEP)[:-1]),
        {"SLURM_STEP_NODELIST": "node[1-"},
        {"SLURM_STEP_TASKS_PER_NODE": "some"},
        {"SLURM_STEP_TASKS_PER_NODE": "3"},
        {"SLURMD_NODENAME": "node8"},
        {"SLURM_LOCALID": "2"},
        {"SLURM_PROCID": "first"},
        {"PATH": ""},
    ],
)
def test_slurm_without_srun(find_cluster_under_slurm, wrong):
    variables = {name: value for name, value in (STEP | wrong).items() if value is not None}
    with pytest.raises(SystemExit, match=r"SLURM_PROCID is set, .*srun"):
        find_cluster_under_slurm(variables)


@pytest.mark.parametrize(
    ("local", "gpus", "own"),
    [
        (None, [], []),
        (None, ["first", "second"], ["first"]),
        ("1", ["first", "second"], ["second"]),
        ("1", ["bound by Slurm"], ["bound by Slurm"]),
        ("1", [], []),
    ],
)
def test_each_worker_on_a_machine_has_its_own_gpu(monkeypatch, local, gpus, own):
    monkeypatch.delenv("SLURM_LOCALID", raising=False)
    if local:
        monkeypatch.setenv("SLURM_LOCALID", local)
    assert train_on_workers.own_gpu(gpus) == own


@pytest.fixture
def submit(tmp_path):
    """A function that runs the batch script with stubs; it returns its end and what is requeued."""
    put_program(tmp_path / "bin", "scontrol", 'echo "$@" >> "$HOME/requeued"')
    activate = tmp_path / "chapter14" / ".venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.touch()

    def run(job, workers):
        put_program(tmp_path / "bin", "srun", f"folder={tmp_path}/chapter14-run-{job}\n{workers}")
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        environment = {
            "HOME": str(tmp_path),
            "PATH": path,
            "SLURM_JOB_ID": job,
            "SLURM_CPUS_PER_TASK": "8",
        }
        returncode = subprocess.run(["bash", JOB], env=environment, check=False).returncode
        requeued = tmp_path / "requeued"
        return returncode, requeued.read_text(encoding="utf-8") if requeued.exists() else ""

    return run


A_NEW_EPOCH = "sleep 0.02; touch $folder/checkpoint.npz; "


@needs_bash
def test_a_job_that_ends_well_is_not_requeued(submit):
    assert submit("7", A_NEW_EPOCH + "exit 0") == (0, "")


@needs_bash
@pytest.mark.parametrize("returncode", [1, 137, 143])
def test_a_job_that_fails_after_a_new_epoch_is_requeued(submit, returncode):
    assert submit("7", f"{A_NEW_EPOCH}exit {returncode}") == (1, "requeue 7\n")


@needs_bash
@pytest.mark.parametrize("returncode", [1, 2, 137, 143])
def test_a_job_that_fails_without_a_new_epoch_is_not_requeued(submit, returncode):
    assert submit("7", f"exit {returncode}") == (1, "")
    first = submit("8", f"{A_NEW_EPOCH}exit 1")
    assert submit("8", f"sleep 0.02; exit {returncode}") == first == (1, "requeue 8\n")


@needs_bash
def test_each_job_has_a_folder_of_its_own(submit, tmp_path):
    for job in ("7", "8", "8"):
        submit(job, 'case "$*" in *"--folder $folder "*) exit 0;; esac; exit 1')
    assert len(list(tmp_path.glob("chapter14-run-*"))) == 2
    assert submit("7", 'case "$*" in *"--folder $folder "*) exit 0;; esac; exit 1') == (0, "")


@needs_bash
def test_the_options_of_the_job_are_known(tmp_path):
    """Its workers get as far as the meeting, where the others are missing."""
    words = JOB.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    [command] = [line for line in words if line.startswith("srun ")]
    options = command.split("train_on_workers")[1].split(" && ")[0]
    options = options.replace('"$folder"', str(tmp_path)).replace("--timeout 300", "--timeout 0.1")
    workers = free_addresses(4)
    result = subprocess.run(
        [sys.executable, "-m", "chapter14.train_on_workers", *options.split()],
        env=os.environ | {"TF_CONFIG": config(workers)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert workers[3] in result.stderr


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
