"""Time a training step against units, timesteps and batch size, ours and the peers.

    python benchmarks/cost_growth.py --json > benchmarks/results/cost_growth.json

A point is 20 batches, ten times, the median; a slope is that of log(time) against log(size).
"""

import argparse
import json
import statistics
import sys

import numpy as np
from competitors import COMPETITORS, FEATURES, Worker
from epoch_time import machine

BATCHES, PASSES = 20, 10
STANDARD = {"units": 150, "timesteps": 28, "batch_size": 150}
SIZES = {
    "units": [32, 64, 150, 256, 512, 1024],
    "timesteps": [28, 56, 112, 224],
    "batch_size": [32, 75, 150, 300, 600, 1200],
}
PEER_SIZES = {axis: [sizes[0], sizes[len(sizes) // 2], sizes[-1]] for axis, sizes in SIZES.items()}
NAMES = {"unrolled": SIZES, "pytorch": PEER_SIZES, "jax": PEER_SIZES}


def slope(sizes: list[float], milliseconds: list[float]) -> float:
    """Return the exponent p of the power law time ~ size^p, by least squares on logarithms.

    Example:
        >>> round(slope([1, 2, 4], [5, 20, 80]), 6)
        2.0
    """
    return float(np.polyfit(np.log(sizes), np.log(milliseconds), 1)[0])


def step_milliseconds(worker: Worker, units: int, timesteps: int, batch_size: int) -> float:
    """Return the milliseconds of a training step on random sequences."""
    rng = np.random.default_rng(14)
    X = rng.random((BATCHES * batch_size, timesteps, FEATURES), dtype=np.float32)
    y = rng.integers(10, size=len(X), dtype=np.int32)
    worker.call("build", X, y, units, batch_size)
    worker.call("train", 1)  # compiles
    return statistics.median(worker.call("train", PASSES)) / BATCHES * 1000


def measure(names: dict[str, dict[str, list[int]]] = NAMES) -> dict:
    """Return machine, points and slopes of the competitors in ``names``, each with its sizes."""
    points, slopes = [], []
    for name, sizes_of in names.items():
        worker = Worker(COMPETITORS[name])
        for axis, sizes in sizes_of.items():
            times = []
            for size in sizes:
                try:
                    times.append(step_milliseconds(worker, **(STANDARD | {axis: size})))
                except ModuleNotFoundError as error:
                    print(f"{name}: left out, {error}", file=sys.stderr)
                    break
                point = {"name": name, "axis": axis, "size": size, "milliseconds": times[-1]}
                print(json.dumps(point), file=sys.stderr, flush=True)
                points.append(point)
            if times:
                slopes.append({"name": name, "axis": axis, "slope": slope(sizes, times)})
        worker.close()
    return {"machine": machine(), "batches": BATCHES, "points": points, "slopes": slopes}


def table(result: dict) -> str:
    """Return the slopes as lines."""
    return "\n".join(
        f"{row['name']:10s} {row['axis']:10s} time ~ size^{row['slope']:.2f}"
        for row in result["slopes"]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    result = measure()
    print(json.dumps(result, indent=1) if arguments.json else table(result))
