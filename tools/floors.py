"""Print the oldest versions that requirements.txt and pyproject.toml claim: `make test-floors`.

python tools/floors.py > floors.txt
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLOOR = re.compile(r"^([A-Za-z0-9_-]+)>=([0-9.]+)")


def floors(root: Path = ROOT) -> dict[str, str]:
    """Return the floor of each package that a reader needs."""
    lines = (root / "requirements.txt").read_text().splitlines()
    lines += tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    found = {}
    for match in filter(None, map(FLOOR.match, lines)):
        if found.setdefault(match[1], match[2]) != match[2]:
            raise SystemExit(f"{match[1]}: two floors, {found[match[1]]} and {match[2]}")
    return found


if __name__ == "__main__":
    for name, version in floors().items():
        print(f"{name}=={version}")
