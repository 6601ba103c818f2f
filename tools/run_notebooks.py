"""Execute notebooks in place, each in a fresh kernel, and normalise them: `make notebooks`.

What changes from run to run without a reason (cell ids, timing metadata, widget state and widget
views) is taken out, so that a diff shows what an author changed.

    python tools/run_notebooks.py          every notebook
    python tools/run_notebooks.py 01 02    those whose names begin so
"""

import sys
import time
from pathlib import Path

import nbclient
import nbformat

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def normalise(notebook: nbformat.NotebookNode) -> None:
    """Take out of ``notebook``, in place, all that differs between two equal runs."""
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        tags = cell.metadata.get("tags")
        cell.metadata = {"tags": tags} if tags else {}
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if WIDGET_VIEW not in o.get("data", {})]
            _join_streams(cell)


def _join_streams(cell: nbformat.NotebookNode) -> None:
    """A kernel cuts what a cell prints into pieces by the clock: put them together again."""
    joined = []
    for output in cell.outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    cell.outputs = joined


def run(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    started = time.perf_counter()
    client.execute()
    normalise(notebook)
    nbformat.write(notebook, path)
    print(f"{path.relative_to(NOTEBOOKS)}: {time.perf_counter() - started:.0f} s", flush=True)


def main(prefixes: list[str]) -> None:
    paths = sorted(NOTEBOOKS.rglob("[0-9]*.ipynb"))
    chosen = [p for p in paths if not prefixes or p.name.startswith(tuple(prefixes))]
    if not chosen:
        raise SystemExit(f"no notebook begins with {' or '.join(prefixes)}")
    for path in chosen:
        run(path)


if __name__ == "__main__":
    main(sys.argv[1:])
