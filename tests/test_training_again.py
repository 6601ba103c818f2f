"""A training cell of notebook 02, run twice."""

import keras
import numpy as np
import pytest

DEFINITIONS = (
    "def build_classifier(",
    "def train(",
)


def test_a_training_cell_run_again_does_not_go_on_from_trained_weights(all_notebooks):
    cells = all_notebooks["02_training_a_sequence_classifier"].cells
    rng = np.random.default_rng(14)
    X, y = rng.random((1000, 28, 28), dtype=np.float32), rng.integers(10, size=1000)
    names = {"keras": keras, "np": np, "epochs": 1}
    names |= {"X_train": X, "y_train": y, "X_valid": X, "y_valid": y}
    for cell in cells:
        if cell.source.startswith(DEFINITIONS):
            exec(cell.source, names)
    [training] = [cell for cell in cells if cell.source.startswith("classifier = ")]
    losses = []
    for _ in range(2):
        exec(training.source, names)
        losses += names["history"].history["loss"]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
