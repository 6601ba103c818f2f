"""Take the pictures in images/ out of the executed notebooks: `make pictures`.

A code cell tagged `picture-NAME` gives images/NAME.png, or images/NAME.svg where its output is
SVG. So a picture in the README is the one that the notebook shows.
"""

import base64
import json
from pathlib import Path

ROOT = Path(__file__).parents[1]


def pictures(notebook: Path) -> dict[str, bytes]:
    """Return the content of each picture file that the notebook's outputs hold, by file name."""
    found = {}
    for cell in json.loads(notebook.read_text())["cells"]:
        for tag in cell["metadata"].get("tags", []):
            if not tag.startswith("picture-"):
                continue
            name = tag.removeprefix("picture-")
            for data in (output.get("data", {}) for output in cell["outputs"]):
                if "image/svg+xml" in data:
                    found[f"{name}.svg"] = "".join(data["image/svg+xml"]).encode()
                elif "image/png" in data:
                    found[f"{name}.png"] = base64.b64decode("".join(data["image/png"]))
    return found


def all_pictures(root: Path = ROOT) -> dict[str, bytes]:
    """Return the pictures of all notebooks, by file name."""
    found = {}
    for notebook in sorted((root / "notebooks").rglob("*.ipynb")):
        found |= pictures(notebook)
    return found


if __name__ == "__main__":
    (ROOT / "images").mkdir(exist_ok=True)
    for name, content in all_pictures().items():
        (ROOT / "images" / name).write_bytes(content)
        print(f"images/{name}: {len(content) / 1000:.0f} kB")
