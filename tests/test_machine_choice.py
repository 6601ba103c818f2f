"""The cell of notebook 02 that chooses by the machine, tried with no GPU, one and two."""

from pathlib import Path

import nbformat
import numpy as np
import pytest
import tensorflow as tf

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "02_training_a_sequence_classifier.ipynb"


def cells():
    return [c for c in nbformat.read(NOTEBOOK, as_version=4).cells if c.cell_type == "code"]


@pytest.fixture(params=[0, 1, 2])
def chosen(request, monkeypatch, capsys):
    """What the cell defines and prints on a machine with so many GPUs, and how many they are."""
    devices = [tf.config.PhysicalDevice(f"GPU:{i}", "GPU") for i in range(request.param)]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: devices)
    [cell] = [cell for cell in cells() if "machine-choice" in cell.metadata.get("tags", [])]
    names = {"tf": tf}
    exec(cell.source, names)
    return names, capsys.readouterr().out, request.param


def test_the_choice(chosen):
    names, printed, gpus = chosen
    assert (names["batch_size"], names["jit_compile"]) == ((500, True) if gpus else (250, False))
    assert f"GPUs: {gpus}. So: batches of {names['batch_size']}, XLA " in printed
    for images in (55_000, 5_000):
        assert images % names["batch_size"] == 0


def test_the_notebook_trains_with_the_choice(chosen):
    names, _, gpus = chosen
    if gpus > 1:
        pytest.skip("the same choice as with one")
    import keras

    from chapter14.runtime import epoch_lines

    names |= {"keras": keras, "np": np, "epoch_lines": epoch_lines}
    rng = np.random.default_rng(14)
    X, y = rng.random((1000, 28, 28), dtype=np.float32), rng.integers(10, size=1000)
    names |= {"X_train": X, "epochs": 1}
    sources = [cell.source for cell in cells()]
    exec(
        next(source for source in sources if "def build_classifier" in source).partition("\n\n\n")[
            0
        ],
        names,
    )
    names["schedule"] = 0.001
    exec(next(source for source in sources if "def train(" in source).partition("\n\n\n")[0], names)
    model = names["build_classifier"]()
    history, _ = names["train"](model, X, y, X, y)
    assert np.isfinite(history["loss"]).all()
    assert model.jit_compile is names["jit_compile"]
