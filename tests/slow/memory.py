"""A lesson's kernel takes as much memory as the README says: `make test-settings`, on Linux."""

import re
from pathlib import Path

import pytest

from kernels import NOTEBOOKS, ROOT, client_of, without_outputs

README = (ROOT / "README.md").read_text(encoding="utf-8")
LESSONS = [path for path in NOTEBOOKS if path.parent.name == "notebooks"]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_memory(path):
    said = re.search(rf"^\| .*/{path.name}\).* \| ([\d.]+) GB", README, re.M)[1]
    notebook = without_outputs(path)
    client = client_of(notebook, path.parent)
    client.reset_execution_trackers()
    with client.setup_kernel():
        for number, cell in enumerate(notebook.cells):
            client.execute_cell(cell, number)
        status = Path(f"/proc/{client.km.provisioner.pid}/status").read_text(encoding="utf-8")
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 / 1e9
    print(f"{path.stem}: {peak:.2f} GB")
    assert peak == pytest.approx(float(said), rel=0.1)
