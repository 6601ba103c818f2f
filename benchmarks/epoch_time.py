"""Time one epoch of SimpleRNN(150) + Dense(10), ours and its competitors side by side.

    pip install -r benchmarks/requirements.txt
    python benchmarks/epoch_time.py --json > benchmarks/results/epoch_time.json

Each competitor lives in a process of its own; round after round each trains one epoch while the
others sleep. Before that, all of them train on the same 20 batches from the same weights, and
their losses must agree.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from competitors import COMPETITORS, SGEMM, Worker

from chapter14.data import load_mnist

UNITS, BATCH_SIZE, ROUNDS = 150, 150, 7
CHECKED_STEPS, TOLERANCE = 20, 1e-4
PACKAGES = ["tensorflow", "keras", "torch", "jax", "numpy"]


def epoch_gflop(images: int, timesteps: int = 28, features: int = 28, units: int = UNITS) -> float:
    """Return the billions of operations of an epoch's matrix products, two for a multiply-add.

    Forward x(t) Wx and h(t-1) Wh; backward dWx, dWh and delta(t) Wh^T.

    Example:
        >>> round(epoch_gflop(60_000))
        255
    """
    return images * timesteps * 2 * (2 * features * units + 3 * units * units) / 1e9


def largest_difference(losses: dict[str, list[float]]) -> float:
    """Return the largest difference between any two competitors' losses at the same step.

    Raises:
        ValueError: it is above ``TOLERANCE``: they do not train the same thing.

    Example:
        >>> largest_difference({"one": [2.3, 1.5], "other": [2.3, 1.5]})
        0.0
    """
    table = np.array(list(losses.values()))
    difference = float(np.ptp(table, axis=0).max())
    if not difference <= TOLERANCE:
        raise ValueError(f"losses: expected to agree to {TOLERANCE}, got {difference:.2g} apart")
    return difference


def machine() -> dict:
    """Return the processor, its cores and the versions."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return {"cpu": cpu, "cores": os.cpu_count(), "system": platform.system(), "versions": versions}


def measure(names: list[str], images: int = 60_000, rounds: int = ROUNDS) -> dict:
    """Return machine, sgemm rates and, by competitor, the seconds of each round.

    Args:
        names: keys of ``COMPETITORS``; those whose framework is not installed are left out.
        images: how many of the 60,000 to train on, a multiple of the batch size, 3,000 or more.
        rounds: epochs a competitor, after one that is not counted.
    """
    (X_train, y_train), (X_valid, y_valid), _ = load_mnist()
    X = np.concatenate([X_train, X_valid])[:images]
    y = np.concatenate([y_train, y_valid])[:images]
    batches = [slice(i * BATCH_SIZE, (i + 1) * BATCH_SIZE) for i in range(CHECKED_STEPS)]
    workers, losses, first = {}, {}, {}
    for name in names:
        worker = Worker(COMPETITORS[name])
        try:
            worker.call("build", X, y, UNITS, BATCH_SIZE)
        except ModuleNotFoundError as error:
            print(f"{name}: left out, {error}", file=sys.stderr)
            continue
        workers[name] = worker
        losses[name] = worker.call("losses", batches)
        [first[name]] = worker.call("train", 1)
        print(f"{name}: ready, first epoch {first[name]:.2f} s", file=sys.stderr, flush=True)
    difference = largest_difference(losses)
    sgemm = Worker(SGEMM)
    sgemm.call("build")
    seconds = {name: [] for name in workers}
    rates = []
    for round_ in range(rounds):
        print(f"round {round_ + 1} of {rounds}", file=sys.stderr, flush=True)
        rates.append(sgemm.call("rates"))
        for name, worker in workers.items():
            time.sleep(0.3)  # the threads of the one before go to sleep
            seconds[name] += worker.call("train", 1)
    for worker in (*workers.values(), sgemm):
        worker.close()
    gflops = {size: statistics.median(rate[size] for rate in rates) for size in rates[0]}
    gflop = epoch_gflop(images)
    rows = [
        {
            "name": name,
            "what": COMPETITORS[name].what,
            "seconds": statistics.median(seconds[name]),
            "fastest": min(seconds[name]),
            "slowest": max(seconds[name]),
            "first": first[name],
            "ratio_to_keras": statistics.median(seconds[name])
            / statistics.median(seconds[names[0]]),
            **{
                f"share_of_sgemm_{size}": gflop / statistics.median(seconds[name]) / rate
                for size, rate in gflops.items()
            },
            "rounds": seconds[name],
        }
        for name in workers
    ]
    return {
        "machine": machine(),
        "images": images,
        "batch_size": BATCH_SIZE,
        "gflop": gflop,
        "sgemm_gflops": gflops,
        "largest_difference_of_losses": difference,
        "rows": rows,
    }


def table(result: dict) -> str:
    """Return the measurement as lines, fastest last."""
    lines = ["seconds an epoch: median (fastest to slowest), against Keras as written"]
    for row in sorted(result["rows"], key=lambda row: -row["seconds"]):
        lines.append(
            f"{row['what']:62s} {row['seconds']:6.2f} ({row['fastest']:.2f} to "
            f"{row['slowest']:.2f})  {row['ratio_to_keras']:.2f}  "
            f"{row['share_of_sgemm_1024']:.0%} / {row['share_of_sgemm_150']:.0%} of sgemm"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    result = measure(list(COMPETITORS))
    print(json.dumps(result, indent=1) if arguments.json else table(result))
