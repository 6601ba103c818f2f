"""The lessons under a reader's own settings, and exported: `make test-settings`."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import nbconvert
import nbformat
import papermill
import pypandoc
import pytest

import notebooks
from kernels import NOTEBOOKS, client_of, red, without_outputs

READERS = {
    "libraries": {
        "KERAS_BACKEND": "torch",
        "KERAS_MAX_EPOCHS": "1",
        "MPLBACKEND": "Agg",
        "TF_CPP_MIN_LOG_LEVEL": "0",
    },
    "machine": {
        "LC_ALL": "C",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": "0",
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
    },
    "no asserts": {"PYTHONOPTIMIZE": "1"},
}


def kinds(notebook):
    """What each cell shows: streams, pictures, values."""
    return [
        [(output.output_type, "image/png" in output.get("data", {})) for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.fixture
def reader(request, tmp_path, monkeypatch):
    """The settings of one reader, in the environment and in files."""
    for name, value in READERS[request.param].items():
        monkeypatch.setenv(name, value)
    if request.param == "libraries":
        (tmp_path / "matplotlibrc").write_text(
            "text.usetex: True\nimage.origin: lower\nimage.cmap: hot\n", encoding="utf-8"
        )
        (tmp_path / "keras.json").write_text(
            '{"backend": "jax", "floatx": "float16", "image_data_format": "channels_first"}',
            encoding="utf-8",
        )
        monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path))
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))


@pytest.mark.parametrize("reader", READERS, indirect=True)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_lesson_under_a_readers_settings(path, reader):
    notebook = without_outputs(path)
    client_of(notebook, path.parent).execute()
    assert red(notebook) == ""
    notebooks.normalize(notebook)
    assert kinds(notebook) == kinds(nbformat.read(path, as_version=4))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.parametrize("format", ["html", "slides", "script", "latex"])
def test_a_lesson_exported(path, format, tmp_path, monkeypatch):
    pandoc = Path(pypandoc.get_pandoc_path()).parent
    monkeypatch.setenv("PATH", f"{pandoc}{os.pathsep}{os.environ['PATH']}")
    command = ["nbconvert", "--to", format, "--output-dir", tmp_path, path]
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    [exported] = tmp_path.glob("*.*")
    text = exported.read_text(encoding="utf-8")
    pictures = sum(picture for outputs in kinds(nbformat.read(path, 4)) for _, picture in outputs)
    if format == "script":
        ast.parse(text)
    elif format == "latex":
        assert len(list(tmp_path.glob("*_files/*.png"))) == pictures
    else:
        assert len(re.findall('<img alt="[^"]+" src="data:image/png', text)) == pictures


def test_an_exported_lesson_runs_as_a_script(tmp_path):
    [path] = [path for path in NOTEBOOKS if path.stem == "01_training_rnns"]
    script, _ = nbconvert.PythonExporter().from_filename(path)
    (tmp_path / "lesson.py").write_text(script, encoding="utf-8")
    done = subprocess.run([sys.executable, tmp_path / "lesson.py"], capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("epochs", [1, 7])
def test_papermill_sets_the_epochs_of_the_second_lesson(epochs, tmp_path):
    run_with_papermill(epochs, tmp_path)


def test_mixed_precision_in_the_second_lesson(tmp_path):
    run_with_papermill(1, tmp_path, policy="mixed_bfloat16")


def run_with_papermill(epochs, folder, policy=None):
    [path] = [path for path in NOTEBOOKS if path.stem == "02_training_a_sequence_classifier"]
    notebook = nbformat.read(path, as_version=4)
    if policy:
        imports = [cell for cell in notebook.cells if cell.cell_type == "code"][1]
        imports.source += f"\nkeras.config.set_dtype_policy({policy!r})"
    nbformat.write(notebook, folder / "in.ipynb")
    papermill.execute_notebook(
        folder / "in.ipynb",
        folder / "out.ipynb",
        parameters={"epochs": epochs},
        kernel_name="python3",
        progress_bar=False,
    )
    done = nbformat.read(folder / "out.ipynb", as_version=4)
    assert red(done) == ""
    text = "".join(o.text for c in done.cells for o in c.get("outputs", []) if "text" in o)
    assert (f"Epoch {epochs}/{epochs}" in text) == (epochs > 1)  # Keras doesn't count to one
    confidence, accuracy = re.search(r"mean confidence (\S+), accuracy (\S+)", text).groups()
    assert abs(float(confidence) - float(accuracy)) < 0.05
