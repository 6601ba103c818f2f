"""Where else the lessons run: under pytest's other options, in containers, without a clone."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import nbformat
import pytest
import yaml

import notebooks
from chapter14 import __main__ as start
from chapter14 import __version__
from release import ROOT
from test_project import pythons_in_the_workflow

DEVCONTAINER = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
# Of the schema at containers.dev, which no Python package carries; it allows no other keys.
KEYS = {
    "name": str,
    "image": str,
    "features": dict,
    "hostRequirements": dict,
    "forwardPorts": list,
    "portsAttributes": dict,
    "containerEnv": dict,
    "onCreateCommand": str,
    "updateContentCommand": str,
    "postCreateCommand": str,
    "postStartCommand": str,
    "customizations": dict,
}


@pytest.fixture
def lesson(tmp_path):
    """A notebook beside this project's settings of pytest, each cell of which needs all before."""
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / name, tmp_path)
    sources = ["n = 0", *["n += 1"] * 19, "assert n == 19"]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "lesson.ipynb")
    return tmp_path / "lesson.ipynb"


@pytest.mark.parametrize(
    "options",
    [
        "-n 2",
        "-n 2 --dist worksteal --nbval",
        "--disable-plugin-autoload -p nbval.plugin",  # as with requirements.txt alone
    ],
)
def test_pytest_runs_a_lesson_under_other_options(lesson, tmp_path, options):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [sys.executable, "-m", "pytest", *options.split(), lesson]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        command, cwd=elsewhere, env=clean, capture_output=True, text=True, encoding="utf-8"
    )
    assert "21 passed" in done.stdout, done.stdout + done.stderr


def test_the_dev_container_has_the_keys_of_its_schema():
    for key, value in DEVCONTAINER.items():
        assert isinstance(value, KEYS[key]), key
    assert re.fullmatch(r"\d+gb", DEVCONTAINER["hostRequirements"]["memory"])


def test_the_containers_have_a_python_that_is_tested():
    image = DEVCONTAINER["image"]
    runtime = (ROOT / ".binder/runtime.txt").read_text(encoding="utf-8")
    for version in (image.split("python:")[1], runtime.strip().removeprefix("python-")):
        assert version in pythons_in_the_workflow()


def test_the_containers_install_the_versions_that_were_tested():
    python, *arguments = shlex.split(DEVCONTAINER["updateContentCommand"])
    assert [python, *arguments[:3]] == ["python", "-m", "pip", "install"]
    assert arguments[3:] == ["-r", "requirements.txt", "-c", "constraints.txt"]
    text = (ROOT / ".binder/requirements.txt").read_text(encoding="utf-8")
    named = dict(re.findall(r"^(-[rc]) (\S+)$", text, re.M))
    assert {option: (ROOT / ".binder" / name).resolve() for option, name in named.items()} == {
        "-r": ROOT / "requirements.txt",
        "-c": ROOT / "constraints.txt",
    }
    for name in DEVCONTAINER["customizations"]["codespaces"]["openFiles"]:
        assert (ROOT / name).is_file(), name


def test_the_files_that_windows_and_macos_test_exist():
    text = (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")
    *_, command = [step.get("run") for step in yaml.safe_load(text)["jobs"]["light"]["steps"]]
    files = command.removeprefix("python -m pytest ").split()
    assert "notebooks/01_training_rnns.ipynb" in files
    assert all((ROOT / name).is_file() for name in files), files


def test_what_jupyter_leaves_beside_the_notebooks_is_no_notebook(tmp_path):
    names = ["01.ipynb", "solutions/01_solutions.ipynb", ".ipynb_checkpoints/01-checkpoint.ipynb"]
    paths = [tmp_path / "notebooks" / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert notebooks.find([], tmp_path) == paths[:2]


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """The arguments that JupyterLab would be opened with, in an empty folder."""
    opened = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["chapter14", "--no-browser"])
    monkeypatch.setattr("jupyterlab.labapp.main", opened.append)
    return opened


def contents(folder):
    paths = [path for path in folder.rglob("*.ipynb") if "checkpoint" not in path.name]
    return {path.relative_to(folder): path.read_bytes() for path in paths}


def test_without_a_clone_the_lessons_are_copied_and_opened(opened, tmp_path, capsys):
    folder = tmp_path / f"chapter14-lessons-{__version__}"
    start.main()
    assert opened == [[str(folder), "--no-browser"]]
    assert capsys.readouterr().out == f"The lessons are in {folder}\n"
    assert contents(folder) == contents(ROOT / "notebooks")


def test_opened_again_it_copies_only_what_is_missing(opened, tmp_path):
    folder = tmp_path / f"chapter14-lessons-{__version__}"
    start.main()
    mine, missing, *_ = folder.glob("*.ipynb")
    mine.write_text("my work", encoding="utf-8")
    missing.unlink()
    start.main()
    assert mine.read_text(encoding="utf-8") == "my work"
    assert missing.is_file()
    assert len(opened) == 2


def test_where_nothing_can_be_written_it_says_so_in_a_sentence(opened, tmp_path):
    folder = tmp_path / f"chapter14-lessons-{__version__}"
    folder.write_text("a file in its place", encoding="utf-8")
    with pytest.raises(SystemExit, match=rf"^Could not write .*{re.escape(folder.name)} \(.+\)\. "):
        start.main()
    assert opened == []


def test_an_installed_package_has_lessons_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setattr(start, "PACKAGE", tmp_path / "chapter14")
    assert start.find_lessons() == tmp_path / "notebooks"
    (tmp_path / "chapter14" / "notebooks").mkdir(parents=True)
    assert start.find_lessons() == tmp_path / "chapter14" / "notebooks"


def test_the_table_of_places_names_targets_and_files_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r'^\t@echo "make (test\S*)', makefile, re.M))
    named = set(re.findall(r"`make (test\S*?)[` ]", text))
    assert named <= targets
    assert targets - named <= {"test-mutants", "test-audit"}, "not in the table"
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (ROOT / target).exists(), target
