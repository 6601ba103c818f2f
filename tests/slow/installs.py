"""Each documented way to install, in fresh environments: `make test-settings`.

It needs a network, and PYTHON313, which uv would fetch elsewhere. The project's address leads to a
clone in which the version's tag is at this repository's last commit.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from pathlib import Path

import nbformat
import pytest
from jupyter_client import BlockingKernelClient

from kernels import ROOT
from release import read_address, read_version

LESSON = "01_training_rnns.ipynb"


def run(command, **options):
    """Run a command, or fail with what it said; return its output and messages."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", **options
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-5000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def folder():
    """A folder for the environments, which are large, as long as the tests last."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def checkout(folder):
    run(["git", "clone", "--quiet", ROOT, folder / "checkout"])
    run(["git", "tag", "--force", f"v{read_version()}"], cwd=folder / "checkout")
    return folder / "checkout"


def environment(folder):
    """A new environment's variables, as if it were activated."""
    run([sys.executable, "-m", "venv", folder])
    return os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def tools(folder):
    """The variables of an environment with repo2docker, uv, and build."""
    variables = environment(folder / "tools")
    run(["python", "-m", "pip", "install", "jupyter-repo2docker", "uv", "build"], env=variables)
    return variables


def assert_versions_and_checkout(variables, checkout):
    """The versions are those of constraints.txt, and chapter14 is used in place."""
    frozen = run(["python", "-m", "pip", "freeze", "--exclude-editable"], env=variables)
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    installed = set(frozen.lower().replace("_", "-").split()) - {""}
    assert "tensorflow" in frozen
    assert installed <= set(pinned.split())
    code = "import chapter14; print(chapter14.__file__)"
    place = run(["python", "-c", code], env=variables, cwd="/").strip()
    assert place == str(checkout / "chapter14" / "__init__.py")


def test_the_dev_container_and_pytest_with_requirements_alone(folder, checkout):
    text = (checkout / ".devcontainer/devcontainer.json").read_text(encoding="utf-8")
    variables = environment(folder / "dev-container")
    command = shlex.split(json.loads(text)["updateContentCommand"])
    run(command, cwd=checkout, env=variables)
    assert_versions_and_checkout(variables, checkout)
    packages = run(["python", "-m", "pip", "freeze"], env=variables)
    assert not re.search("pytest-(mpl|xdist)", packages)
    for where in (checkout, folder):
        lesson = checkout / "notebooks" / LESSON
        assert " passed" in run(["pytest", lesson], cwd=where, env=variables)


def test_binder(folder, checkout, tools):
    said = run(["jupyter-repo2docker", "--no-build", "--debug", "."], cwd=checkout, env=tools)
    assert "environment for python=3.12" in said
    [command] = re.findall("^RUN (.*pip install .*)$", said, re.M)
    variables = environment(folder / "binder")
    prefix = {"KERNEL_PYTHON_PREFIX": str(folder / "binder")}
    run(command, shell=True, cwd=checkout, env=variables | prefix)
    assert_versions_and_checkout(variables, checkout)
    kernels = json.loads(run(["jupyter", "kernelspec", "list", "--json"], env=variables))
    assert kernels["kernelspecs"]["python3"]["resource_dir"].startswith(str(folder / "binder"))


def test_the_wheel_has_the_lessons_and_nothing_of_their_readers(folder, checkout, tools):
    source = folder / "used checkout"
    shutil.copytree(checkout, source)
    for left_over in (".ipynb_checkpoints/01-checkpoint.ipynb", "models/classifier.keras"):
        path = source / "notebooks" / left_over
        path.parent.mkdir()
        path.write_text("left over", encoding="utf-8")
    run(["python", "-m", "build", "--outdir", folder / "dist", source], env=tools)
    [wheel] = (folder / "dist").glob("*.whl")  # made from the source distribution
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if "dist-info/" not in name}
    tracked = run(["git", "ls-files", "chapter14", "notebooks"], cwd=checkout).split()
    assert packed == {re.sub("^notebooks/", "chapter14/notebooks/", name) for name in tracked}


@pytest.fixture
def readme_line(folder, checkout, tools):
    """The README's line for uv, with the variables that let it find this repository."""
    text = (checkout / "README.md").read_text(encoding="utf-8")
    [line] = re.findall("^uvx .*$", text, re.M)
    python = Path(shutil.which(os.environ["PYTHON313"])).parent
    other = folder / "jupyter" / "kernels" / "python3"  # the reader's own kernel, not to be used
    other.mkdir(parents=True, exist_ok=True)
    specification = {"argv": ["false"], "display_name": "mine", "language": "python"}
    (other / "kernel.json").write_text(json.dumps(specification), encoding="utf-8")
    settings = {
        "PATH": f"{tools['PATH']}:{python}",
        "UV_CACHE_DIR": str(folder / "uv"),
        "JUPYTER_DATA_DIR": str(folder / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{checkout}.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://github.com/{read_address()}",
    }
    return shlex.split(line), os.environ | settings


@contextlib.contextmanager
def opened(readme_line, cwd):
    """Run the line as a reader does; give a function that asks the server, and end it."""
    command, variables = readme_line
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token=test"]
    process = subprocess.Popen([*command, *options], cwd=cwd, env=variables)

    def ask(path, data=None):
        address = f"http://127.0.0.1:{port}/api/{path}?token=test"
        with urllib.request.urlopen(address, data, timeout=60) as answer:
            return json.load(answer)

    try:
        while process.poll() is None:
            with contextlib.suppress(OSError):
                ask("status")
                break
            time.sleep(0.5)
        yield ask
    finally:
        process.terminate()
        process.wait(60)


def test_uv_opens_the_lessons_without_a_clone(readme_line, folder, tmp_path):
    lessons = tmp_path / f"chapter14-lessons-{read_version()}"
    with opened(readme_line, tmp_path) as ask:
        names = {item["name"] for item in ask("contents")["content"]}
        assert names == {path.name for path in (ROOT / "notebooks").glob("[0-9s]*")}
        kernel = ask("kernels", b'{"name": "python3"}')["id"]
        client = BlockingKernelClient()
        client.load_connection_file(str(folder / "runtime" / f"kernel-{kernel}.json"))
        client.start_channels(hb=False)  # a busy machine's heart may miss a beat
        client.wait_for_ready(timeout=300)
        notebook = nbformat.read(lessons / LESSON, as_version=4)
        setup, imports = [cell.source for cell in notebook.cells if cell.cell_type == "code"][:2]
        where = "import chapter14; print(chapter14.__file__)"
        printed = []
        for source in (setup, imports, where):
            reply = client.execute_interactive(
                source, timeout=300, output_hook=lambda m: printed.append(m["content"].get("text"))
            )
            assert reply["content"]["status"] == "ok", reply["content"]
        client.stop_channels()
    text = "".join(filter(None, printed))
    assert text.startswith("CPU (") or text.startswith("GPU (")
    assert "Python 3.13" in text
    assert text.splitlines()[-1].startswith(str(folder / "uv"))
    (lessons / LESSON).write_text("my work", encoding="utf-8")
    (lessons / "solutions" / f"{Path(LESSON).stem}_solutions.ipynb").unlink()
    with opened(readme_line, tmp_path) as ask:
        assert len(ask("contents/solutions")["content"]) == 5
    assert (lessons / LESSON).read_text(encoding="utf-8") == "my work"


def test_where_uv_can_write_nothing_one_sentence_says_so(readme_line):
    command, variables = readme_line
    done = subprocess.run(
        command, cwd="/proc", env=variables, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    sentence = r"^Could not write the lessons into /proc/.* \(.+\)\. Change to .*\n\Z"
    assert re.search(sentence, done.stderr, re.M)
