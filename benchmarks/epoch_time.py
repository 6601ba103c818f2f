"""Time one epoch of SimpleRNN(150) + Dense(10) in five implementations, side by side.

    pip install -e ".[benchmarks]"
    python benchmarks/epoch_time.py > chapter14/results/epoch_time.json

Each implementation is in a process of its own; round after round, each trains one epoch while the
others sleep. Before that, all of them train on the same 20 batches from the same weights, and
their losses must agree, and then for one epoch that isn't counted: no compilation is timed.
"""

import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from implementations import IMPLEMENTATIONS, Sgemm, Worker

from chapter14.mnist import load_mnist

UNITS = 150
BATCH_SIZE = 150
ROUNDS = 7
CHECKED_STEPS = 20
TOLERANCE = 1e-4
PACKAGES = ["tensorflow", "keras", "torch", "jax", "numpy"]


def epoch_gflop(images: int, timesteps: int = 28, features: int = 28, units: int = UNITS) -> float:
    """Return the billions of operations of an epoch's matrix products, two per multiply-add.

    Forward x(t) Wx and h(t-1) Wh; backward dWx, dWh, and delta(t) Wh^T.

    Example:
        >>> round(epoch_gflop(60_000))
        255
    """
    return images * timesteps * 2 * (2 * features * units + 3 * units * units) / 1e9


def largest_difference(losses: dict[str, list[float]]) -> float:
    """Return the largest difference between two implementations' losses at the same step.

    Raises:
        ValueError: it is above ``TOLERANCE``, so they don't train the same network.

    Example:
        >>> largest_difference({"one": [2.3, 1.5], "other": [2.3, 1.5]})
        0.0
    """
    difference = float(np.ptp(list(losses.values()), axis=0).max())
    if not difference <= TOLERANCE:
        raise ValueError(f"losses: expected to agree to {TOLERANCE}, got {difference:.2g} apart")
    return difference


def machine() -> dict:
    """Return the processor, its cores, and the versions."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        names = [line for line in lines if line.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return {"cpu": cpu, "cores": os.cpu_count(), "system": platform.system(), "versions": versions}


def measure(names, images: int = 60_000, rounds: int = ROUNDS) -> dict:
    """Return the machine, its sgemm rates, and a row of times for each implementation.

    Args:
        names: keys of ``IMPLEMENTATIONS``; the first is the reference of the ratios.
        images: how many of the 60,000 to train on, a multiple of the batch size, 3,000 or more.
        rounds: epochs per implementation, after one that isn't counted.
    """
    (X_train, y_train), (X_valid, y_valid), _ = load_mnist()
    X = np.concatenate([X_train, X_valid])[:images]
    y = np.concatenate([y_train, y_valid])[:images]
    batches = [slice(i * BATCH_SIZE, (i + 1) * BATCH_SIZE) for i in range(CHECKED_STEPS)]
    workers, losses = {}, {}
    for name in names:
        workers[name] = Worker()
        implementation = IMPLEMENTATIONS[name]
        arguments = X, y, UNITS, BATCH_SIZE
        workers[name].build(implementation.classifier, *arguments, **implementation.options)
        losses[name] = workers[name].call("losses", batches)
        workers[name].call("train", 1)
        print(f"{name}: ready", file=sys.stderr)
    difference = largest_difference(losses)
    sgemm = Worker()
    sgemm.build(Sgemm)
    seconds = {name: [] for name in names}
    rates = []
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        rates.append(sgemm.call("rates"))
        for name in names:
            time.sleep(0.3)  # the threads of the one before fall asleep
            seconds[name] += workers[name].call("train", 1)
    threads = {name: workers[name].call("threads") for name in names}
    for worker in (*workers.values(), sgemm):
        worker.close()
    gflop = epoch_gflop(images)
    gflops = {size: statistics.median(rate[size] for rate in rates) for size in rates[0]}
    reference = statistics.median(seconds[names[0]])
    return {
        "machine": machine(),
        "images": images,
        "batch_size": BATCH_SIZE,
        "threads": threads,
        "gflop": gflop,
        "sgemm_gflops": gflops,
        "largest_difference_of_losses": difference,
        "rows": [row(name, seconds[name], reference, gflop, gflops) for name in names],
    }


def row(name, seconds, reference, gflop, gflops) -> dict:
    median = statistics.median(seconds)
    return {
        "name": name,
        "what": IMPLEMENTATIONS[name].what,
        "seconds": median,
        "fastest": min(seconds),
        "slowest": max(seconds),
        "ratio_to_keras": median / reference,
        "share_of_sgemm_1024": gflop / median / gflops[1024],
        "share_of_sgemm_150": gflop / median / gflops[150],
        "rounds": seconds,
    }


if __name__ == "__main__":
    print(json.dumps(measure(list(IMPLEMENTATIONS)), indent=1))
