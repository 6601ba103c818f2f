"""Train the sequence classifier on several machines: start this module once on each of them.

    TF_CONFIG='{"cluster": ...}' python -m chapter14.train_on_workers --folder /shared/folder

Each worker takes its part of every batch. The optimizer sums the gradients of all workers, so that
all of them make the same step. Slurm needs no TF_CONFIG. All workers must see `--folder`: worker 0,
the chief, saves a checkpoint per epoch there, and a job that is started again continues after it.
The workers compare the checkpoint and their options before they begin, and stop if they differ.

Whoever reaches a worker's port can run code there: use a network that you trust.
https://github.com/tensorflow/tensorflow/blob/master/SECURITY.md
"""

import argparse
import contextlib
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from chapter14.notebook import quiet_import

CHECKPOINT = "checkpoint.npz"
DISAGREEMENT = "checkpoints or options differ: give all workers the same options and --folder"


def find_cluster() -> tuple[list[str], int]:
    """Return the addresses of all workers and the index of this one, from TF_CONFIG or Slurm."""
    if "TF_CONFIG" not in os.environ and "SLURM_PROCID" in os.environ:
        os.environ["TF_CONFIG"] = json.dumps(config_from_slurm())
    try:
        config = json.loads(os.environ.get("TF_CONFIG", ""))
        jobs = list(config["cluster"])
        workers = config["cluster"]["worker"]
        task = config["task"]
        index = task["index"]
    except (ValueError, KeyError, TypeError) as error:
        sys.exit(f"TF_CONFIG: expected JSON with cluster.worker and task.index; {error!r}")
    if jobs != ["worker"]:
        sys.exit(f"TF_CONFIG: cluster: expected workers only, got {', '.join(jobs)}")
    listed = isinstance(workers, list) and all(map(is_address, workers))
    if not listed or not workers or len(set(workers)) < len(workers):
        sys.exit(f"TF_CONFIG: cluster.worker: expected a list of distinct host:port, got {workers}")
    if task.get("type") != "worker" or not isinstance(index, int) or not 0 <= index < len(workers):
        sys.exit(f"TF_CONFIG: task: expected a worker, 0 to {len(workers) - 1}, got {task!r}")
    return workers, index


def config_from_slurm() -> dict:
    """Return what TF_CONFIG would say, from the variables that `srun` sets for each worker."""
    step = os.environ
    try:
        # In Slurm's own order: sorted by name, node10 would come before node8.
        command = ["scontrol", "show", "hostnames", step["SLURM_STEP_NODELIST"]]
        hosts = subprocess.check_output(command, encoding="utf-8").split()
        counts = []
        for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", step["SLURM_STEP_TASKS_PER_NODE"]):
            counts += [int(count)] * int(times or 1)  # 2(x3),1: two on each of three, then one
        port = 10_000 + 16 * (int(step["SLURM_JOB_ID"]) % 1_000)  # two jobs can share a machine
        each = zip(hosts, counts, strict=True)
        workers = [f"{host}:{port + i}" for host, count in each for i in range(count)]
        index = workers.index(f"{step['SLURMD_NODENAME']}:{port + int(step['SLURM_LOCALID'])}")
        in_order = index == int(step["SLURM_PROCID"])
    except (KeyError, ValueError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"SLURM_PROCID is set, but no complete job step: start it with srun; {error!r}")
    if not in_order:
        sys.exit(f"SLURM_PROCID isn't {index}, this task's place: use srun --distribution=block")
    return {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}


def is_address(worker) -> bool:
    match = re.fullmatch(r"[^:\s]+:([0-9]{1,5})", str(worker))
    return match is not None and 1 <= int(match[1]) <= 65_535


def greeting(workers: list[str], index: int) -> bytes:
    """Return how a worker of this cluster is told from a stranger."""
    digest = hashlib.sha256(json.dumps(workers).encode()).hexdigest()
    return f"chapter14 {digest} {index}".encode()


def wait_for_workers(workers: list[str], plan: bytes, timeout: float) -> None:
    """Wait, as worker 0, until all others have sent their greeting and plan; then answer them."""
    expected = {greeting(workers, i): workers[i] for i in range(1, len(workers))}
    arrived, plans = {}, {}
    deadline = time.monotonic() + timeout
    host, port = workers[0].split(":")
    with contextlib.ExitStack() as sockets:  # closes them: TensorFlow needs the port next
        try:
            meeting = sockets.enter_context(socket.create_server((host, int(port))))
        except OSError as error:
            sys.exit(f"worker 0 can't listen on {workers[0]}: {error.strerror}")
        meeting.settimeout(0.1)
        while arrived.keys() != expected.keys():
            if time.monotonic() > deadline:
                missing = ", ".join(expected[who] for who in expected if who not in arrived)
                sys.exit(f"not all workers came within {timeout:g} s: no {missing}")
            with contextlib.suppress(OSError):  # nobody came, or a stranger, who may stay silent
                connection = sockets.enter_context(meeting.accept()[0])
                connection.settimeout(1)
                who, _, their_plan = connection.recv(1024).rpartition(b" ")
                if who in expected:
                    arrived[who] = connection
                    plans[who] = their_plan
        different = [expected[who] for who in plans if plans[who] != plan]
        for connection in arrived.values():
            connection.sendall(greeting(workers, 0) + b" " + (b"stop" if different else plan))
    if different:
        sys.exit(f"{DISAGREEMENT} (not those of worker 0: {', '.join(different)})")


def wait_for_chief(workers: list[str], index: int, plan: bytes, timeout: float) -> None:
    """Send worker 0 a greeting and the plan, again and again until it is answered."""
    host, port = workers[0].split(":")
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        remaining = max(0.1, deadline - time.monotonic())
        # Not yet, or not any longer; a UnicodeError says that no host can have that name.
        not_there = contextlib.suppress(OSError, UnicodeError)
        with not_there, socket.create_connection((host, int(port)), timeout=remaining) as chief:
            chief.sendall(greeting(workers, index) + b" " + plan)
            who, _, answer = chief.recv(1024).rpartition(b" ")
            if who == greeting(workers, 0):
                if answer != plan:
                    sys.exit(DISAGREEMENT)
                return
        time.sleep(0.1)
    sys.exit(f"worker 0, {workers[0]}, gave no sign to start within {timeout:g} s")


def own_gpu(gpus: list) -> list:
    """Return one GPU at most: with more, the gradients would be summed once for each of them."""
    local = int(os.environ.get("SLURM_LOCALID", 0))  # unless Slurm shows each task one GPU only
    return [gpus[local % len(gpus)]] if gpus else []


def build(seed: int):
    """Return the classifier, without its softmax, which the loss includes; and the optimizer."""
    import keras

    keras.utils.set_random_seed(seed)
    rnn = keras.layers.SimpleRNN(150, unroll=True)
    model = keras.Sequential([keras.Input((28, 28)), rnn, keras.layers.Dense(10)])
    optimizer = keras.optimizers.Adam(0.001)
    optimizer.build(model.trainable_variables)
    return model, optimizer


def make_step(strategy, model, optimizer, batch_size: int):
    """Return the training step: a function of this worker's part of a batch."""
    import tensorflow as tf

    def on_this_worker(X, y):
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, model(X, training=True))
            loss = tf.reduce_sum(losses) / batch_size  # of all workers together
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)  # sums over the workers first
        return loss

    @tf.function
    def step(X, y):
        losses = strategy.run(on_this_worker, args=(X, y))
        return strategy.reduce("SUM", losses, axis=None)

    return step


def batches(images: int, batch_size: int, seed: int, epoch: int) -> np.ndarray:
    """Return which images an epoch's batches have, (batches, batch_size): for all the same."""
    order = np.random.default_rng((seed, epoch)).permutation(images)
    return order[: images // batch_size * batch_size].reshape(-1, batch_size)


def save(path: Path, epoch: int, settings: str, variables: list) -> None:
    """Write a checkpoint in one step: the file is the old one or the new one, never half of it."""
    unfinished = path.with_suffix(".unfinished.npz")
    arrays = {each.path: np.asarray(each) for each in variables}
    np.savez(unfinished, epoch=epoch, settings=settings, **arrays)
    os.replace(unfinished, path)


def read(path: Path, settings: str) -> dict[str, np.ndarray]:
    """Return the arrays of the checkpoint by name; epoch 0 and nothing else if there is none."""
    if not path.exists():
        return {"epoch": np.array(0)}
    with np.load(path, allow_pickle=False) as file:
        saved = dict(file)
    if saved["settings"] != settings:
        sys.exit(
            f"{path} was trained with {saved['settings']}: repeat them, or take a new --folder"
        )
    return saved


def train(
    workers: list[str], index: int, options: argparse.Namespace, settings: str, saved: dict
) -> None:
    with quiet_import():  # so this machine's settings of Keras don't matter
        import keras  # noqa: F401, for build
        import tensorflow as tf

    from chapter14.mnist import load_mnist

    tf.config.set_visible_devices(own_gpu(tf.config.list_physical_devices("GPU")), "GPU")
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    (X, y), (X_valid, y_valid), _ = load_mnist()
    with strategy.scope():
        model, optimizer = build(options.seed)
    step = make_step(strategy, model, optimizer, options.batch_size)
    variables = [*model.variables, *optimizer.variables]
    done = int(saved["epoch"])
    if done:
        for variable in variables:
            variable.assign(saved[variable.path])
    if index == 0 and done >= options.epochs:
        print(f"nothing left to do: {done} epochs are finished, of {options.epochs}", flush=True)
    for epoch in range(done, options.epochs):
        losses = []
        times = [time.perf_counter()]
        for batch in batches(options.images, options.batch_size, options.seed, epoch):
            share = batch[index :: len(workers)]
            losses.append(float(step(X[share], y[share])))
            times.append(time.perf_counter())
        accuracy = (np.asarray(model(X_valid)).argmax(axis=1) == y_valid).mean()
        if index == 0:  # alone, since none of these variables is summed over the workers when read
            save(options.folder / CHECKPOINT, epoch + 1, settings, variables)
            line = f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, accuracy {accuracy:.4f}"
            seconds = time.perf_counter() - times[0]
            milliseconds = 1000 * np.median(np.diff(times))
            print(f"{line}, {seconds:.1f} s, {milliseconds:.1f} ms per step", flush=True)
    weights = {each.path: np.asarray(each) for each in model.trainable_variables}
    np.savez(options.folder / f"worker-{index}.npz", **weights)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the classifier on several machines.")
    parser.add_argument("--folder", type=Path, required=True, help="seen by all workers")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=240, help="of all workers together")
    parser.add_argument("--images", type=int, default=55_000, help="per epoch")
    parser.add_argument("--seed", type=int, default=14, help="of the weights and the batches")
    parser.add_argument("--timeout", type=float, default=60, help="seconds to wait for all workers")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # a worker's log shows errors from C++
    workers, index = find_cluster()
    if options.batch_size < 1 or options.batch_size % len(workers):
        sys.exit(f"--batch-size: expected a multiple of {len(workers)}, got {options.batch_size}")
    if not options.batch_size <= options.images <= 55_000:
        expected = f"{options.batch_size} (one batch) to 55,000"
        sys.exit(f"--images: expected {expected}, got {options.images}")
    options.folder.mkdir(parents=True, exist_ok=True)
    settings = f"--images {options.images} --batch-size {options.batch_size} --seed {options.seed}"
    saved = read(options.folder / CHECKPOINT, settings)
    content = {name: array.tobytes() for name, array in saved.items()}
    plan = hashlib.sha256(repr((settings, options.epochs, content)).encode()).hexdigest().encode()
    if index == 0:  # before TensorFlow starts, whose own wait is long and ends in pages of errors
        wait_for_workers(workers, plan, options.timeout)
    else:
        wait_for_chief(workers, index, plan, options.timeout)
    train(workers, index, options, settings, saved)


if __name__ == "__main__":
    main()
