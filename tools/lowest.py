"""Print the lowest versions that pyproject.toml claims for readers: `make test-lowest`."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def lowest() -> list[str]:
    """Return the constraints that pin each dependency to its lowest version."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    dependencies = tomllib.loads(text)["project"]["dependencies"]
    return [dependency.replace(">=", "==") for dependency in dependencies]


if __name__ == "__main__":
    print(*lowest(), sep="\n")
