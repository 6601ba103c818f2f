"""What `import chapter14` costs, and what the project promises before the first cell."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run_python(code: str, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)


def test_importing_chapter14_is_instant_and_brings_neither_tensorflow_nor_pyplot():
    heavy = {"tensorflow", "keras", "matplotlib.pyplot"}
    code = f"import sys, chapter14; print(sorted({heavy} & set(sys.modules)))"
    for module in ("chapter14", "chapter14.data"):
        result = run_python(code.replace("chapter14", module), "-X", "importtime")
        assert result.stdout.strip() == "[]"
    assert run_python("import sys, chapter14.plots; print('tensorflow' in sys.modules)").stdout == (
        "False\n"
    )
    seconds = []
    for _ in range(3):
        lines = run_python("import chapter14", "-X", "importtime").stderr.splitlines()
        (line,) = [line for line in lines if re.search(r"\| chapter14$", line)]
        seconds.append(int(line.split("|")[1]) / 1e6)
    assert min(seconds) < 0.3


def test_requirements_have_a_floor_and_a_reason():
    for name in ("requirements.txt", "tests/requirements.txt"):
        lines = (ROOT / name).read_text().splitlines()
        for line in (line for line in lines if line and not line.startswith(("#", "-e"))):
            assert re.fullmatch(r"[a-z-]+>=[\d.]+ +# \S.*", line), f"{name}: {line}"


def test_versions_agree():
    import chapter14

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert chapter14.__version__ == project["version"]
    assert project["requires-python"] == ">=3.11"


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
@pytest.mark.parametrize("version", [(3, 9), (3, 14)])
@pytest.mark.parametrize("target", ["lab", "test"])
def test_a_python_that_does_not_suit_gets_one_clear_sentence(tmp_path, target, version):
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=lambda *_: ["baseline"])
    pretender = tmp_path / "other_python"
    pretender.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        f"sys.version_info = {(*version, 2)}\n"
        "assert sys.argv[1] == '-c'\n"
        "exec(sys.argv[2])\n"
    )
    pretender.chmod(0o755)
    command = ["make", "-s", target, f"PYTHON={pretender}"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    sentence, *rest = result.stderr.splitlines()
    assert sentence.startswith("chapter14 needs Python 3.11 to 3.13, and ")
    assert sentence.endswith(f" is {version[0]}.{version[1]}: try make PYTHON=python3.12")
    assert all(line.startswith("make") for line in rest)
    assert not (tmp_path / ".venv").exists()
