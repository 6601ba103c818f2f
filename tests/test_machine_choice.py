"""The cell of notebook 02 that chooses by the machine, tried with no GPU, one, and two."""

import keras
import numpy as np
import pytest
import tensorflow as tf

DEFINITIONS = (
    "epochs = ",
    "def build_classifier(",
    "def warmup_cosine(",
    "recipe = {",
    "def train(",
)


@pytest.fixture
def cells(all_notebooks):
    return all_notebooks["02_training_a_sequence_classifier"].cells


def choose(cells, gpus, monkeypatch):
    """Return what the cell defines on a machine with so many GPUs."""
    devices = [tf.config.PhysicalDevice(f"GPU:{i}", "GPU") for i in range(gpus)]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: devices)
    [choice] = [cell for cell in cells if "machine-choice" in cell.metadata.get("tags", [])]
    names = {"tf": tf, "keras": keras}
    exec(choice.source, names)
    return names


@pytest.mark.parametrize("gpus", [0, 1, 2])
def test_the_choice(cells, gpus, monkeypatch, capsys):
    names = choose(cells, gpus, monkeypatch)
    assert capsys.readouterr().out.startswith(f"GPUs: {gpus}.")
    assert names["jit_compile"] is (gpus > 0)
    assert (names["batch_size"] > 250) == (gpus > 0)
    for images in (55_000, 5_000):
        assert images % names["batch_size"] == 0, "a partial batch is left over"


@pytest.mark.parametrize("gpus", [0, 1])
def test_the_notebook_trains_with_what_it_chose(cells, gpus, monkeypatch):
    names = choose(cells, gpus, monkeypatch)
    for cell in cells:
        if cell.source.startswith(DEFINITIONS):
            exec(cell.source, names)
    rng = np.random.default_rng(14)
    X = rng.random((1000, 28, 28), dtype=np.float32)
    y = rng.integers(10, size=1000)
    model = names["build_classifier"]()
    history = names["train"](model, X, y, (X, y), **names["recipe"] | {"epochs": 2})
    assert np.isfinite(history.history["val_loss"]).all()
    assert model.jit_compile is names["jit_compile"]
