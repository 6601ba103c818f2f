"""The workflow files of GitHub: they pass the schema and cover the claimed Pythons."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCHEMA = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]


def check(path):
    return subprocess.run([*SCHEMA, path], capture_output=True, text=True)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_they_pass_the_schema(path):
    done = check(path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_finds_a_mistake(tmp_path):
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WORKFLOWS[0].read_text().replace("runs-on:", "run-on:"))
    assert check(wrong).returncode != 0


def test_every_claimed_python_is_tested():
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert needs == ">=3.11"
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text()
    assert '["3.11", "3.12", "3.13"]' in text
