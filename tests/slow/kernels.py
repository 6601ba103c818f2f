"""Run notebooks on other Pythons, under other conditions, and in other orders."""

import re
import sys
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
FOLDERS = ROOT / "notebooks", ROOT / "notebooks" / "solutions"  # and not Jupyter's checkpoints
NOTEBOOKS = [path for folder in FOLDERS for path in sorted(folder.glob("[0-9]*.ipynb"))]


def client_of(notebook, folder, *, python=sys.executable, wrapper=()) -> NotebookClient:
    """Return a client whose kernel runs in ``folder`` on ``python``, started by ``wrapper``."""
    manager = AsyncKernelManager()
    command = [*wrapper, str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=command, display_name="Python 3", language="python")
    client = NotebookClient(
        notebook, km=manager, timeout=1200, resources={"metadata": {"path": str(folder)}}
    )
    client.owns_km = True  # the kernel ends with the run
    return client


def without_outputs(path: Path) -> nbformat.NotebookNode:
    """Return a notebook as a reader opens it, ready to run."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def red(notebook) -> str:
    """Return all that a notebook wrote to stderr."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    return "".join(output.text for output in outputs if output.get("name") == "stderr")


def sections(notebook) -> list[list[int]]:
    """Return the numbers of each section's code cells; before the first one come the imports."""
    found = [[]]
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and re.search(r"^## ", cell.source, re.M):
            found.append([])
        elif cell.cell_type == "code":
            found[-1].append(number)
    return [numbers for numbers in found if numbers]
