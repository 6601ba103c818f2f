"""Each notebook alone on Colab, as near as one can get without Google: `make test-colab`.

Runs with .venv's Python; the kernels run on COLAB_PYTHON, an environment with the versions of
tests/environments/colab.txt, a stand-in `google.colab`, and an empty folder to work in. The
project's address leads to a clone in which the version's tag is at this repository's last commit.
"""

import json
import os
import subprocess
import time
from pathlib import Path

import nbclient
import pytest

from kernels import NOTEBOOKS, ROOT, client_of, red, without_outputs
from release import read_address, read_version

PYTHON = Path(os.environ["COLAB_PYTHON"]).absolute()
PINS = ROOT / "tests" / "environments" / "colab.txt"
FETCHED = {"chapter14", "wigglystuff", "drawdata"}
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
def colab(tmp_path, monkeypatch, clone):
    """Colab's environment as it is when a notebook is opened; return the empty folder."""
    pip("uninstall", "--yes", *FETCHED)
    pip("install", "--requirement", PINS)
    stand_in = tmp_path / "stand-in" / "google" / "colab"
    stand_in.mkdir(parents=True)
    (stand_in / "__init__.py").write_text(
        '"""Stands in for Colab\'s own module."""\n', encoding="utf-8"
    )
    startup = tmp_path / "ipython" / "profile_default" / "startup" / "colab.py"
    startup.parent.mkdir(parents=True)
    startup.write_text("import google.colab\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(stand_in.parents[1]))
    monkeypatch.setenv("IPYTHONDIR", str(startup.parents[2]))
    monkeypatch.setenv("PATH", f"{PYTHON.parent}:{os.environ['PATH']}")
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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_opened_alone(path, colab):
    before = versions()
    assert not FETCHED & set(before)
    notebook = without_outputs(path)
    client = client_of(notebook, colab, python=PYTHON)
    seconds = {}
    client.on_cell_execute = lambda cell, cell_index: seconds.update({cell_index: time.time()})
    client.on_cell_executed = lambda cell, cell_index, execute_reply: seconds.update(
        {cell_index: time.time() - seconds[cell_index]}
    )
    client.execute()
    assert red(notebook) == ""
    fetching = next(iter(seconds.values()))
    print(f"{path.stem}: fetched in {fetching:.1f} s, Run All {sum(seconds.values()):.0f} s")
    after = versions()
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed <= FETCHED | {"anywidget"}


def test_run_again_it_fetches_nothing(colab, monkeypatch, tmp_path):
    notebook = setup_alone(without_outputs(NOTEBOOKS[0]))
    client_of(notebook, colab, python=PYTHON).execute()
    redirect(monkeypatch, tmp_path / "no such repository")  # fetching would fail now
    client_of(notebook, colab, python=PYTHON).execute()
    assert notebook.cells[0].outputs == []


@pytest.mark.parametrize("missing", ["GitHub", "PyPI"])
def test_a_failure_to_fetch_leaves_one_clear_message(missing, colab, monkeypatch, clone, tmp_path):
    if missing == "GitHub":
        redirect(monkeypatch, tmp_path / "no such repository")
    else:
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", "")
    notebook = setup_alone(without_outputs(NOTEBOOKS[0]))
    with pytest.raises(nbclient.exceptions.CellExecutionError):
        client_of(notebook, colab, python=PYTHON).execute()
    [error] = [o for o in notebook.cells[0].outputs if o.output_type == "error"]
    assert error.ename == "ImportError"
    assert "Check that GitHub and PyPI are reachable" in error.evalue
    printed = "".join(o.text for o in notebook.cells[0].outputs if o.output_type == "stream")
    assert len(printed.splitlines()) <= 12, printed
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)  # the cure
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    redirect(monkeypatch, clone)
    client_of(notebook, colab, python=PYTHON).execute()
    assert versions().keys() >= FETCHED
