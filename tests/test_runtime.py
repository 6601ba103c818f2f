import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from chapter14.runtime import describe_runtime, epoch_lines, project_folder

ROOT = Path(__file__).parents[1]


def run_python(code: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", "import os\nfrom chapter14.runtime import *\n" + code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_importing_and_using_tensorflow_leaves_nothing_on_stderr():
    result = run_python(
        "with quiet_start():\n"
        "    import tensorflow as tf\n"
        "print(float(tf.function(lambda x: x @ x, jit_compile=True)(tf.ones((2, 2)))[0, 0]))"
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "2.0\n", "")


def test_a_future_warning_of_an_import_stays_off_jupyters_stderr():
    result = run_python(
        "import io, sys, warnings\n"
        "sys.stderr = jupyter = io.StringIO()\n"
        "with quiet_start():\n"
        "    warnings.warn('a name to come', FutureWarning)\n"
        "    warnings.warn('something else')\n"
        "warnings.warn('and afterwards', FutureWarning)\n"
        "print(jupyter.getvalue())"
    )
    assert "a name to come" not in result.stdout
    assert "something else" in result.stdout
    assert "and afterwards" in result.stdout


def test_gpus_are_asked_to_let_their_memory_grow():
    code = "with quiet_start():\n    pass\nprint(os.environ['TF_FORCE_GPU_ALLOW_GROWTH'])"
    assert run_python(code).stdout == "true\n"


def test_errors_still_show_afterwards():
    result = run_python(
        "import sys\n"
        "with quiet_start():\n"
        "    os.write(2, b'held back')\n"
        "os.write(2, b'from C; ')\n"
        "sys.stderr.write('from Python')"
    )
    assert result.stderr == "from C; from Python"


def test_a_failing_import_shows_what_was_held_back():
    result = run_python(
        "with quiet_start():\n    os.write(2, b'no such library')\n    import nowhere"
    )
    assert result.returncode == 1
    assert "no such library" in result.stderr
    assert "No module named 'nowhere'" in result.stderr


@pytest.mark.parametrize("gpus", [0, 1, 2])
def test_the_runtime_line_names_device_and_versions(monkeypatch, gpus):
    import tensorflow as tf

    devices = [tf.config.PhysicalDevice(f"GPU:{i}", "GPU") for i in range(gpus)]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: devices)
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", lambda device: {"device_name": "Tesla T4"}
    )
    line = describe_runtime()
    expected = ["CPU (", "GPU (Tesla T4)", "2 GPUs (Tesla T4)"][gpus]
    assert line.startswith(expected)
    assert f"TensorFlow {tf.__version__} · Keras {keras.__version__}" in line
    assert "\n" not in line


def test_project_folder_is_the_repository_or_the_working_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT / "notebooks")
    assert project_folder() == ROOT
    monkeypatch.chdir(ROOT)
    assert project_folder() == ROOT
    monkeypatch.chdir(tmp_path)
    assert project_folder() == tmp_path


def test_epoch_lines_print_one_line_an_epoch(capsys):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(loss="binary_crossentropy", metrics=["accuracy"])
    X, y = np.zeros((4, 2)), np.zeros(4)
    lines = epoch_lines()
    history = model.fit(
        X, y, epochs=3, validation_data=(X, y), verbose=0, callbacks=[lines]
    ).history
    header, *rows = capsys.readouterr().out.splitlines()
    assert header == "epoch  seconds  train: loss  accuracy  validation: loss  accuracy"
    assert len(rows) == len(lines.seconds) == 3
    assert {len(row) for row in rows} == {len(header)}
    for epoch, row in enumerate(rows):
        number, seconds, *values = map(float, row.split())
        assert number == epoch + 1
        assert seconds == pytest.approx(lines.seconds[epoch], abs=0.051)
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        assert values == pytest.approx([history[name][epoch] for name in names], abs=1e-4)


@pytest.mark.parametrize(
    ("metrics", "validation", "missing"),
    [(["accuracy"], False, "val_loss, val_accuracy"), (["mae"], True, "accuracy, val_accuracy")],
)
def test_epoch_lines_without_what_they_print_say_so(metrics, validation, missing):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(loss="binary_crossentropy", metrics=metrics)
    X, y = np.zeros((4, 2)), np.zeros(4)
    data = (X, y) if validation else None
    with pytest.raises(ValueError, match=f"validation_data in fit, got no {missing}$"):
        model.fit(X, y, validation_data=data, verbose=0, callbacks=[epoch_lines()])
