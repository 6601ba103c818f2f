"""TensorFlow starts quietly, errors still show, and the runtime line names the device."""

import os
import subprocess
import sys

import pytest

from chapter14.notebook import describe_runtime


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
