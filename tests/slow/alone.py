"""Each notebook alone, on Colab, on Kaggle, and in any Jupyter, as near as one can get here.

`make test-colab`, `make test-kaggle`, and `make test-jupyter` run this file with .venv's Python,
each with its PLACE. The kernels run on the environment .venv-PLACE, which has the versions of
tests/environments/PLACE.txt, in an empty folder. The project's address leads to a clone in which
the version's tag is at this repository's last commit.
"""

import json
import os
import subprocess
import time

import nbclient
import pytest

from kernels import NOTEBOOKS, ROOT, client_of, red, without_outputs
from release import read_address, read_version

PLACE = os.environ["PLACE"]
PYTHON = ROOT / f".venv-{PLACE}" / "bin" / "python"
PINS = ROOT / "tests" / "environments" / f"{PLACE}.txt"
FETCHED = {"chapter14", "wigglystuff", "drawdata"}
LESSONS = NOTEBOOKS
if PLACE == "jupyter":  # with what it fetches, it's like any other environment
    FETCHED |= {"tensorflow", "keras", "matplotlib"}
    LESSONS = NOTEBOOKS[:1]
# What a place does before the first cell, and its environment variables.
STARTUP = {"colab": "import google.colab", "kaggle": "%matplotlib inline", "jupyter": ""}[PLACE]
VARIABLES = {
    "kaggle": {"KAGGLE_KERNEL_RUN_TYPE": "Interactive", "MPLBACKEND": "agg", "KERAS_HOME": "keras"},
}.get(PLACE, {})
VERSIONS = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))"
)


def pip(*arguments):
    command = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    subprocess.run(command, check=True)


def versions():
    return json.loads(subprocess.run([PYTHON, "-c", VERSIONS], stdout=-1, check=True).stdout)


@pytest.fixture(scope="session")
def clone(tmp_path_factory):
    clone = tmp_path_factory.mktemp("repository") / "chapter14.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", ROOT, clone], check=True)
    tag = ["git", "tag", "--force", f"v{read_version()}", "HEAD"]
    subprocess.run(tag, cwd=clone, check=True)
    return clone


@pytest.fixture
def folder(tmp_path, monkeypatch, clone):
    """An empty folder in the place as it is when a notebook is opened."""
    pip("uninstall", "--yes", *FETCHED)
    pip("install", "--requirement", PINS)
    stand_in = tmp_path / "stand-in" / "google" / "colab"
    stand_in.mkdir(parents=True)
    (stand_in / "__init__.py").write_text(
        '"""Stands in for Colab\'s own module."""\n', encoding="utf-8"
    )
    startup = tmp_path / "ipython" / "profile_default" / "startup" / "place.ipy"
    startup.parent.mkdir(parents=True)
    startup.write_text(STARTUP, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(stand_in.parents[1]))
    monkeypatch.setenv("IPYTHONDIR", str(startup.parents[2]))
    monkeypatch.setenv("PATH", f"{PYTHON.parent}:{os.environ['PATH']}")
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    redirect(monkeypatch, clone)
    folder = tmp_path / "content"
    folder.mkdir()
    return folder


def redirect(monkeypatch, repository):
    """Let the project's address lead to ``repository`` for git, as long as the test lasts."""
    settings = [
        (f"url.file://{repository}.insteadOf", f"https://github.com/{read_address()}"),
        ("uploadpack.allowFilter", "true"),
    ]
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for number, (key, value) in enumerate(settings):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)


def setup_alone(notebook):
    """Keep only the first code cell, the one that fetches."""
    [first, *_] = [cell for cell in notebook.cells if cell.cell_type == "code"]
    notebook.cells = [first]
    return notebook


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_notebook_opened_alone(path, folder):
    before = versions()
    assert not FETCHED & set(before)
    notebook = without_outputs(path)
    client = client_of(notebook, folder, python=PYTHON)
    seconds = {}
    client.on_cell_execute = lambda cell, cell_index: seconds.update({cell_index: time.time()})
    client.on_cell_executed = lambda cell, cell_index, execute_reply: seconds.update(
        {cell_index: time.time() - seconds[cell_index]}
    )
    if PLACE == "kaggle" and "beating_the_book" in path.stem:
        with pytest.raises(nbclient.exceptions.CellExecutionError, match=r"Muon needs Keras 3"):
            client.execute()
    else:
        client.execute()
    assert red(notebook) == ""
    fetching = next(iter(seconds.values()))
    print(f"{path.stem}: fetched in {fetching:.1f} s, Run All {sum(seconds.values()):.0f} s")
    after = versions()
    changed = {name for name, version in before.items() if after[name] != version}
    assert changed <= {"anywidget"}
    if "tensorflow" in before:
        assert after.keys() - before.keys() <= FETCHED | {"anywidget", "psygnal"}


def test_a_clone_in_the_folder_is_not_taken_for_the_package(folder, clone):
    subprocess.run(["git", "clone", "--quiet", clone, folder / "chapter14"], check=True)
    notebook = without_outputs(NOTEBOOKS[0])
    del notebook.cells[3:]
    client_of(notebook, folder, python=PYTHON).execute()
    assert red(notebook) == ""


def test_run_again_it_fetches_nothing(folder, monkeypatch, tmp_path):
    notebook = setup_alone(without_outputs(NOTEBOOKS[0]))
    client_of(notebook, folder, python=PYTHON).execute()
    redirect(monkeypatch, tmp_path / "no such repository")  # fetching would fail now
    client_of(notebook, folder, python=PYTHON).execute()
    assert notebook.cells[0].outputs == []


@pytest.mark.parametrize("missing", ["GitHub", "PyPI"])
def test_a_failure_to_fetch_leaves_one_clear_message(missing, folder, monkeypatch, clone, tmp_path):
    if missing == "GitHub":
        redirect(monkeypatch, tmp_path / "no such repository")
    else:
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", "")
    notebook = setup_alone(without_outputs(NOTEBOOKS[0]))
    with pytest.raises(nbclient.exceptions.CellExecutionError):
        client_of(notebook, folder, python=PYTHON).execute()
    [error] = [o for o in notebook.cells[0].outputs if o.output_type == "error"]
    assert error.ename == "ImportError"
    assert "It needs Python 3.11 to 3.13, pip, git, GitHub, and PyPI" in error.evalue
    printed = "".join(o.text for o in notebook.cells[0].outputs if o.output_type == "stream")
    assert len(printed.splitlines()) <= 12, printed
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)  # the cure
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    redirect(monkeypatch, clone)
    client_of(notebook, folder, python=PYTHON).execute()
    assert versions().keys() >= FETCHED
