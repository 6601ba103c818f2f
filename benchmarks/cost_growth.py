"""Time a training step against units, timesteps, and batch size, in three frameworks.

    pip install -e ".[benchmarks]"
    python benchmarks/cost_growth.py > chapter14/results/cost_growth.json

A point is 20 batches, ten times, the median; a slope is that of log(time) against log(size).
"""

import json
import statistics
import sys

import numpy as np
from epoch_time import machine
from implementations import FEATURES, IMPLEMENTATIONS, Worker

BATCHES = 20
PASSES = 10
STANDARD = {"units": 150, "timesteps": 28, "batch_size": 150}
SIZES = {
    "units": [32, 64, 150, 256, 512, 1024],
    "timesteps": [28, 56, 112, 224],
    "batch_size": [32, 75, 150, 300, 600, 1200],
}
FEW_SIZES = {axis: [sizes[0], sizes[len(sizes) // 2], sizes[-1]] for axis, sizes in SIZES.items()}
SIZES_OF = {"unrolled": SIZES, "pytorch": FEW_SIZES, "jax": FEW_SIZES}


def slope(sizes: list[float], milliseconds: list[float]) -> float:
    """Return the exponent p of the power law time ~ size^p, by least squares on logarithms.

    Example:
        >>> round(slope([1, 2, 4], [5, 20, 80]), 6)
        2.0
    """
    return float(np.polyfit(np.log(sizes), np.log(milliseconds), 1)[0])


def step_milliseconds(worker, name, units: int, timesteps: int, batch_size: int) -> float:
    """Return the milliseconds of a training step on random sequences."""
    rng = np.random.default_rng(14)
    X = rng.random((BATCHES * batch_size, timesteps, FEATURES), dtype=np.float32)
    y = rng.integers(10, size=len(X), dtype=np.int32)
    implementation = IMPLEMENTATIONS[name]
    arguments = X, y, units, batch_size
    worker.build(implementation.classifier, *arguments, **implementation.options)
    worker.call("train", 1)  # compiles
    return statistics.median(worker.call("train", PASSES)) / BATCHES * 1000


def measure(sizes_of: dict[str, dict[str, list[int]]] = SIZES_OF) -> dict:
    """Return the machine, points, and slopes of the implementations, each with its sizes."""
    points, slopes = [], []
    for name, axes in sizes_of.items():
        worker = Worker()
        for axis, sizes in axes.items():
            times = []
            for size in sizes:
                times.append(step_milliseconds(worker, name, **(STANDARD | {axis: size})))
                point = {"name": name, "axis": axis, "size": size, "milliseconds": times[-1]}
                print(json.dumps(point), file=sys.stderr)
                points.append(point)
            slopes.append({"name": name, "axis": axis, "slope": slope(sizes, times)})
        worker.close()
    return {"machine": machine(), "batches": BATCHES, "points": points, "slopes": slopes}


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
