"""Execute the notebooks, normalize them, or take their pictures.

python tools/notebooks.py execute          run every notebook in a fresh kernel, in place
python tools/notebooks.py execute 01 02    only those whose names begin so
python tools/notebooks.py normalize        clean up after Jupyter, without running anything
python tools/notebooks.py pictures         write images/ from the outputs of tagged cells
"""

import argparse
import base64
import time
from pathlib import Path

import nbclient
import nbformat

ROOT = Path(__file__).parents[1]
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {  # without it `jupyter nbconvert --to script` writes a .txt
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}


def find(prefixes: list[str], root: Path = ROOT) -> list[Path]:
    """Return the notebooks whose names begin with one of ``prefixes``; without any, all."""
    folders = root / "notebooks", root / "notebooks" / "solutions"  # and not Jupyter's checkpoints
    paths = [path for folder in folders for path in sorted(folder.glob("[0-9]*.ipynb"))]
    chosen = [path for path in paths if not prefixes or path.name.startswith(tuple(prefixes))]
    if not chosen:
        raise SystemExit(f"no notebook begins with {' or '.join(prefixes)}")
    return chosen


def normalize(notebook: nbformat.NotebookNode) -> None:
    """Take out of ``notebook``, in place, all that differs between two equal runs.

    Sources and the outputs that a reader sees stay as they are. A cell that was never run keeps
    its empty number: only running it can help.
    """
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        tags = cell.metadata.get("tags")
        cell.metadata = {"tags": tags} if tags else {}
    code_cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code_cells, start=1):
        if cell.execution_count is not None:
            cell.execution_count = number
        cell.outputs = _join_streams(
            o for o in cell.outputs if WIDGET_VIEW not in o.get("data", {})
        )
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = cell.execution_count


def _join_streams(outputs) -> list[nbformat.NotebookNode]:
    """A kernel cuts what a cell prints into pieces by the clock: put them together again."""
    joined = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


def execute_in_place(path: Path) -> None:
    """Run a notebook in a fresh kernel, in its own folder."""
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
    normalize(notebook)
    nbformat.write(notebook, path)
    print(f"{path.name}: {time.perf_counter() - started:.0f} s", flush=True)


def normalize_in_place(path: Path) -> None:
    """Rewrite a notebook that isn't normalized."""
    notebook = nbformat.read(path, as_version=4)
    normalize(notebook)
    if nbformat.writes(notebook) + "\n" != path.read_text(encoding="utf-8"):
        nbformat.write(notebook, path)
        print(f"{path.name}: normalized")


def find_pictures(root: Path = ROOT) -> dict[str, bytes]:
    """Return the content of images/, by file name.

    A code cell tagged ``picture-NAME`` gives NAME.png. So a picture in the README is the one that
    the notebook shows.
    """
    pictures = {}
    for path in find([], root):
        for cell in nbformat.read(path, as_version=4).cells:
            for tag in cell.metadata.get("tags", []):
                if tag.startswith("picture-"):
                    name = f"{tag.removeprefix('picture-')}.png"
                    data = [output.get("data", {}) for output in cell.outputs]
                    [png] = [kinds["image/png"] for kinds in data if "image/png" in kinds]
                    pictures[name] = base64.b64decode(png)
    return pictures


def write_pictures() -> None:
    """Write every picture into images/."""
    for name, content in find_pictures().items():
        (ROOT / "images" / name).write_bytes(content)
        print(f"images/{name}: {len(content) / 1000:.0f} kB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["execute", "normalize", "pictures"])
    parser.add_argument("prefix", nargs="*", help="which notebooks: 01, 02, ... (default: all)")
    arguments = parser.parse_args()
    if arguments.command == "pictures":
        write_pictures()
        return
    change = execute_in_place if arguments.command == "execute" else normalize_in_place
    for path in find(arguments.prefix):
        change(path)


if __name__ == "__main__":
    main()
