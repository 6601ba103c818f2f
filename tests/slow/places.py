"""Each notebook in a hostile place: `make test-places`.

A read-only copy of the checkout, under a path with blanks and letters of other alphabets, a home
directory that cannot be written, and the copy's root or the notebook's folder to work in.
"""

import shutil
import subprocess

import nbclient
import pytest

from kernels import NOTEBOOKS, ROOT, client_of, red, without_outputs
from offline import unshare

# In the kernel's own view of the disk the copy is read-only, for root too.
READ_ONLY = (
    'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd "$1" && shift && exec "$@"'
)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    if subprocess.run([*unshare("--mount"), "true"]).returncode:
        pytest.skip("this kernel lets us mount nothing")
    folder = tmp_path_factory.mktemp("a place") / "Ein Kurs, été, 第14章"
    skip = shutil.ignore_patterns(".*", "models", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT, folder, ignore=skip)
    return folder


def wrapper(checkout, folder):
    return [*unshare("--mount"), "sh", "-c", READ_ONLY, str(checkout), str(folder)]


@pytest.mark.parametrize("start", ["root", "notebook's folder"])
@pytest.mark.parametrize("notebook_path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_in_a_hostile_place(notebook_path, start, checkout, tmp_path, monkeypatch):
    path = checkout / notebook_path.relative_to(ROOT)
    folder = checkout if start == "root" else path.parent
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "/proc/nobody")
    monkeypatch.setenv("PYTHONPATH", str(checkout))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    notebook = without_outputs(path)
    client_of(notebook, folder, wrapper=wrapper(checkout, folder)).execute()
    # matplotlib and IPython advise to have a home
    advice = ("Matplotlib created a temporary", "IPython", "mkdir -p failed")
    lines = [line for line in red(notebook).splitlines() if not line.startswith(advice)]
    assert not lines
    assert not (checkout / "models").exists()


def test_the_place_is_hostile(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    notebook = without_outputs(NOTEBOOKS[0])
    [first, *_] = [cell for cell in notebook.cells if cell.cell_type == "code"]
    notebook.cells = [first]
    first.source = "open('new', 'w')"
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="Read-only file system"):
        client_of(notebook, checkout, wrapper=wrapper(checkout, checkout)).execute()
