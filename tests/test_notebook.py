"""A lesson starts quietly, whatever the reader's settings are, and its figures show."""

import base64
import html
import io
import json
import os
import re
import subprocess
import sys

import matplotlib.pyplot as plt
import nbclient
import nbformat
import numpy as np
import pytest
from PIL import Image

from chapter14.notebook import describe_figure, describe_runtime, quiet_import


def run_python(code):
    command = [sys.executable, "-c", "import os\nfrom chapter14.notebook import *\n" + code]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


def test_importing_and_using_tensorflow_leaves_nothing_on_stderr():
    result = run_python(
        "with quiet_import():\n"
        "    import tensorflow as tf\n"
        "print(float(tf.function(lambda x: x @ x, jit_compile=True)(tf.ones((2, 2)))[0, 0]))\n"
        "import logging; logging.getLogger('tensorflow').warning('retracing')\n"
        "print(os.environ['TF_FORCE_GPU_ALLOW_GROWTH'])"
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "2.0\ntrue\n", "")


def test_a_future_warning_of_an_import_stays_off_jupyters_stderr():
    result = run_python(
        "import io, sys, warnings\n"
        "sys.stderr = jupyter = io.StringIO()\n"
        "with quiet_import():\n"
        "    warnings.warn('a name to come', FutureWarning)\n"
        "    warnings.warn('something else')\n"
        "warnings.warn('and afterwards', FutureWarning)\n"
        "print(jupyter.getvalue())"
    )
    assert "a name to come" not in result.stdout
    assert "something else" in result.stdout
    assert "and afterwards" in result.stdout


def test_errors_still_show_afterwards():
    result = run_python(
        "import sys\n"
        "with quiet_import():\n"
        "    os.write(2, b'held back')\n"
        "os.write(2, b'from C; ')\n"
        "sys.stderr.write('from Python')"
    )
    assert result.stderr == "from C; from Python"


def test_a_failing_import_shows_what_was_held_back():
    result = run_python(
        "with quiet_import():\n    os.write(2, b'no such library')\n    import nowhere"
    )
    assert result.returncode == 1
    assert "no such library" in result.stderr
    assert "No module named 'nowhere'" in result.stderr


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux limits the cores")
def test_the_runtime_line_counts_the_cores_that_may_be_used():
    result = run_python(
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "with quiet_import():\n    import tensorflow\n"
        "print(describe_runtime())"
    )
    assert result.stdout.startswith("CPU (1 core)")


@pytest.mark.parametrize("gpus", [0, 1, 2])
def test_the_runtime_line_names_device_and_versions(monkeypatch, gpus):
    import keras
    import tensorflow as tf

    devices = [tf.config.PhysicalDevice(f"GPU:{i}", "GPU") for i in range(gpus)]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: devices)
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", lambda device: {"device_name": "Tesla T4"}
    )
    line = describe_runtime()
    assert line.startswith(["CPU (", "GPU (Tesla T4)", "2 GPUs (Tesla T4)"][gpus])
    assert f"TensorFlow {tf.__version__} · Keras {keras.__version__}" in line
    assert "\n" not in line


def run_lesson_start(code, folder, **environment):
    """Run the start of a lesson in a process of its own, with the reader's settings."""
    start = (
        "from chapter14.notebook import describe_figure, quiet_import, use_style\n"
        "with quiet_import():\n    import keras\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code.replace("START\n", start)],
        env=os.environ | {"KERAS_HOME": str(folder)} | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def test_a_lesson_starts_from_keras_own_defaults(tmp_path):
    settings = {"backend": "jax", "floatx": "float16", "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(settings | {"epsilon": 0.1}), encoding="utf-8")
    result = run_lesson_start(
        "START\n"
        "print(keras.config.backend(), keras.config.floatx(), keras.config.dtype_policy().name)\n"
        "print(keras.config.image_data_format(), keras.config.epsilon())\n"
        "model = keras.Sequential([keras.layers.Dense(1)])\n"
        "model.compile(loss='mse')\n"
        "x = keras.ops.ones((8, 1))\n"
        "history = model.fit(x, x, batch_size=2, epochs=3, verbose=0)\n"
        "print(len(history.epoch), int(model.optimizer.iterations))\n",
        tmp_path,
        KERAS_BACKEND="torch",
        KERAS_MAX_EPOCHS="1",
        KERAS_MAX_STEPS_PER_EPOCH="1",
    )
    assert result.stdout == "tensorflow float32 float32\nchannels_last 1e-07\n3 12\n", result.stderr


def test_a_policy_that_the_reader_has_set_stays(tmp_path):
    result = run_lesson_start(
        "START\nkeras.config.set_dtype_policy('mixed_bfloat16')\nSTART\n"
        "print(keras.config.dtype_policy().name)",
        tmp_path,
    )
    assert result.stdout == "mixed_bfloat16\n", result.stderr


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("config.backend", lambda: "jax", "Keras already runs on jax here, .*: restart the kernel"),
        ("__version__", "2.15.0", r"needs Keras 3, and Keras 2\.15\.0 is installed: run %pip "),
    ],
)
def test_a_keras_that_does_not_suit_gets_a_sentence(monkeypatch, name, value, message):
    monkeypatch.setattr(f"keras.{name}", value)
    with pytest.raises(RuntimeError, match=message), quiet_import():
        import keras  # noqa: F401


@pytest.fixture(scope="module")
def figure_outputs(tmp_path_factory):
    """The outputs of two figures under a reader's own matplotlib settings, and the cells."""
    folder = tmp_path_factory.mktemp("settings")
    (folder / "matplotlibrc").write_text(
        "image.origin: lower\ntext.usetex: True\nbackend: svg\nimage.cmap: hot\n", encoding="utf-8"
    )
    cells = [
        "import matplotlib.pyplot as plt\n"
        "from chapter14.notebook import use_style\n"
        "get_ipython().config.InlineBackend.figure_formats = {'pdf'}\n"
        "get_ipython().config.InlineBackend.close_figures = False\n"
        "use_style()",
        "_ = plt.subplots(figsize=(3, 2))[1].imshow([[0, 0], [1, 1]], cmap='Greys')\n"
        "plt.title('<white> over \"black\"')\n"
        "plt.show()",
        "figure, ax = plt.subplots(figsize=(3, 2))\n"
        "figure.set_label('two axes and nothing else')\n"
        "plt.show()",
    ]
    environment = {"MATPLOTLIBRC": str(folder), "MPLBACKEND": "Agg"}
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    client = nbclient.NotebookClient(notebook, kernel_name="python3")
    client.execute(env=os.environ | environment)
    return [cell.outputs for cell in notebook.cells]


def test_figures_show_under_the_readers_own_matplotlib_settings(figure_outputs):
    assert figure_outputs[0] == []
    for [output] in figure_outputs[1:]:
        data = output.data
        assert list(data) == ["text/html", "image/png", "text/plain"]
        assert f'src="data:image/png;base64,{data["image/png"]}"' in data["text/html"]


def test_a_picture_is_not_turned_upside_down(figure_outputs):
    png = base64.b64decode(figure_outputs[1][0].data["image/png"])
    gray = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
    height, width = gray.shape
    above, below = gray[height // 3, width // 2], gray[2 * height // 3, width // 2]
    assert (above, below) == (255, 0)


def test_each_figure_has_alternative_text(figure_outputs):
    texts = []
    for [output] in figure_outputs[1:]:
        [text] = re.findall(r'<img alt="([^"]*)"', output.data["text/html"])
        assert html.unescape(text) == output.data["text/plain"]
        texts.append(html.unescape(text))
    assert texts == ['<white> over "black".', "two axes and nothing else"]


def test_the_text_of_a_figure_is_what_is_written_on_it():
    figure, axes = plt.subplots(1, 2)
    figure.suptitle("Two panels")
    for ax, title in zip(axes, ["left\none", "right"], strict=True):
        ax.plot([0, 1], label="a")
        ax.plot([1, 0], label="b")
        ax.set(title=title, xlabel="epoch")
        ax.legend()
    axes[0].set_ylabel("loss")
    text = "Two panels. left one. y: loss, x: epoch. right. x: epoch. Legend: a; b."
    assert describe_figure(figure) == text
    plt.close(figure)
