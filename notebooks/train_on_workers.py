"""Train the sequence classifier on several machines: start this script once on each.

    TF_CONFIG='{"cluster": ...}' python train_on_workers.py --folder /shared/folder --epochs 5

Each worker takes its part of every batch; the optimizer adds their gradients up, so that all make
the same step. Under Slurm no TF_CONFIG is needed. All workers must see `--folder`: worker 0, the
chief, saves a checkpoint an epoch there, and a job started again goes on after the last one.
"""

import argparse
import json
import os
import re
import socket
import sys
import time
from pathlib import Path

import numpy as np


def find_cluster() -> tuple[list[str], int]:
    """Return the addresses of all workers and the index of this one, from TF_CONFIG or Slurm."""
    text = os.environ.get("TF_CONFIG")
    if text is None and "SLURM_PROCID" in os.environ:
        import tensorflow as tf

        # No GPU is assigned here; the resolver only wants to hear of enough, or asks nvidia-smi.
        gpus = {"gpus_per_node": int(os.environ["SLURM_STEP_NUM_TASKS"]), "gpus_per_task": 1}
        slurm = tf.distribute.cluster_resolver.SlurmClusterResolver(**gpus, auto_set_gpu=False)
        cluster, (kind, index) = slurm.cluster_spec().as_dict(), slurm.get_task_info()
        text = json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})
        os.environ["TF_CONFIG"] = text
    try:
        config = json.loads(text or "")
        workers, task = config["cluster"]["worker"], config["task"]
        kind, index = task["type"], task["index"]
    except (ValueError, KeyError, TypeError) as error:
        sys.exit(f"TF_CONFIG: expected JSON with cluster.worker and task.index; {error!r}")
    address = re.compile(r"[^:\s]+:\d{1,5}").fullmatch
    listed = isinstance(workers, list) and all(address(str(worker)) for worker in workers)
    if not listed or not workers or len(set(workers)) < len(workers):
        sys.exit(f"TF_CONFIG: cluster.worker: expected a list of distinct host:port, got {workers}")
    if kind != "worker" or not isinstance(index, int) or not 0 <= index < len(workers):
        sys.exit(f"TF_CONFIG: task: expected a worker, 0 to {len(workers) - 1}, got {task!r}")
    return workers, index


def wait_for_all(workers: list[str], index: int, seconds: float) -> None:
    """Return when all workers are there: they meet at the chief's port, before TensorFlow."""
    (host, port), deadline, guests = workers[0].split(":"), time.monotonic() + seconds, {}
    meeting = socket.create_server(("", int(port))) if index == 0 else None
    expected = range(1, len(workers)) if meeting else [0]
    while not guests.keys() >= set(expected):
        left = deadline - time.monotonic()
        if left <= 0:
            missing = ", ".join(workers[i] for i in expected if i not in guests)
            sys.exit(f"not all workers came within {seconds:.0f} s: no {missing}")
        try:
            if meeting:
                meeting.settimeout(left)
                guest = meeting.accept()[0]
                guest.settimeout(1)  # a stranger may be silent
                guests[int.from_bytes(guest.recv(2))] = guest
            else:
                guests[0] = socket.create_connection((host, int(port)), timeout=left)
                guests[0].sendall(index.to_bytes(2))
        except OSError:
            time.sleep(0.1)
    for guest in map(guests.get, expected):
        if meeting:
            guest.sendall(b"go")
        elif guest.recv(2) != b"go":
            sys.exit(f"worker 0, {workers[0]}, has not waited any longer")


def save(path: Path, epoch: int, variables) -> None:
    """Write a checkpoint in one step: it is the old one or the new one, never half of it."""
    arrays = {f"{i:02d}": np.asarray(variable) for i, variable in enumerate(variables)}
    np.savez(path.with_suffix(".unfinished.npz"), epoch=epoch, **arrays)
    os.replace(path.with_suffix(".unfinished.npz"), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="seen by all workers")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=240, help="of all workers together")
    parser.add_argument("--images", type=int, default=55_000, help="of an epoch")
    parser.add_argument("--timeout", type=float, default=60, help="seconds to wait for all workers")
    arguments = parser.parse_args()
    workers, index = find_cluster()
    if arguments.batch_size < 1 or arguments.batch_size % len(workers):
        sys.exit(f"--batch-size: expected a multiple of {len(workers)}, got {arguments.batch_size}")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    wait_for_all(workers, index, arguments.timeout)

    import keras
    import tensorflow as tf

    from chapter14.data import load_mnist

    tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[:1], "GPU")  # one each
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    (X, y), (X_valid, y_valid), _ = load_mnist()
    with strategy.scope():
        keras.utils.set_random_seed(14)
        rnn = keras.layers.SimpleRNN(150, unroll=True)
        model = keras.Sequential([keras.Input((28, 28)), rnn, keras.layers.Dense(10)])
        optimizer = keras.optimizers.Adam(0.001)
        optimizer.build(model.trainable_variables)

    @tf.function
    def step(X, y):
        def on_this_worker(X, y):
            with tf.GradientTape() as tape:
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, model(X, training=True))
                loss = tf.reduce_sum(losses) / arguments.batch_size  # of all workers together
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply(gradients, model.trainable_variables)  # sums over the workers first
            return loss

        return strategy.reduce("SUM", strategy.run(on_this_worker, args=(X, y)), axis=None)

    variables, path = [*model.variables, *optimizer.variables], arguments.folder / "checkpoint.npz"
    first_epoch = 0
    if path.exists():
        with np.load(path, allow_pickle=False) as saved:
            first_epoch = int(saved["epoch"])
            for i, variable in enumerate(variables):
                variable.assign(saved[f"{i:02d}"])
    for epoch in range(first_epoch, arguments.epochs):
        marks, losses = [time.perf_counter()], []
        order = np.random.default_rng((14, epoch)).permutation(arguments.images)  # for all the same
        order = order[: len(order) // arguments.batch_size * arguments.batch_size]
        for part in order.reshape(-1, arguments.batch_size)[:, index :: len(workers)]:
            losses.append(float(step(tf.constant(X[part]), tf.constant(y[part]))))
            marks.append(time.perf_counter())
        accuracy = (np.asarray(model(X_valid)).argmax(axis=1) == y_valid).mean()
        if index == 0:
            save(path, epoch + 1, variables)
            seconds, pace = time.perf_counter() - marks[0], 1000 * np.median(np.diff(marks))
            line = f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, accuracy {accuracy:.4f}"
            print(f"{line}, {seconds:.1f} s, {pace:.1f} ms a step", flush=True)
    np.savez(arguments.folder / f"worker-{index}.npz", *map(np.asarray, model.get_weights()))


if __name__ == "__main__":
    main()
