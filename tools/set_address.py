"""Set the repository's address in pyproject.toml and wherever it is copied: `make address`.

python tools/set_address.py owner/name
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = r"[\w-][\w.-]*?"
# links to other repositories have none of these beginnings
PLACE = re.compile(
    r'(git clone https://github\.com/|git\+https://github\.com/|Repository = "https://github\.com/'
    rf"|colab\.research\.google\.com/github/)({NAME}/{NAME})(?=\.git|[/\"\s)`\\]|$)"
)


def read_address(root: Path = ROOT) -> str:
    """Return the address, owner/name, that pyproject.toml gives."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return project["urls"]["Repository"].removeprefix("https://github.com/")


def files_with_address(root: Path = ROOT) -> list[Path]:
    """Return the files in which the address may stand."""
    notebooks = sorted((root / "notebooks").rglob("*.ipynb"))
    return [root / "pyproject.toml", root / "README.md", *notebooks]


def main(arguments: list[str], root: Path = ROOT) -> None:
    if len(arguments) != 1 or not re.fullmatch(f"{NAME}/{NAME}", arguments[0]):
        raise SystemExit(f"REPO: expected owner/name, got {' '.join(arguments)!r}")
    for path in files_with_address(root):
        text = path.read_text()
        changed = PLACE.sub(lambda match: match[1] + arguments[0], text)
        if changed != text:
            path.write_text(changed)
            print(f"{path.relative_to(root)}: {arguments[0]}")


if __name__ == "__main__":
    main(sys.argv[1:])
