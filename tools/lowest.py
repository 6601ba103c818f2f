"""Print the lowest versions that pyproject.toml claims for readers: `make test-lowest`."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def lowest(pyproject: str) -> list[str]:
    """Return the constraints that pin each dependency to its lowest version.

    >>> lowest('[project]\\ndependencies = ["numpy>=2.1", "keras>=3.13"]')
    ['numpy==2.1', 'keras==3.13']
    """
    dependencies = tomllib.loads(pyproject)["project"]["dependencies"]
    return [dependency.replace(">=", "==") for dependency in dependencies]


if __name__ == "__main__":
    print(*lowest((ROOT / "pyproject.toml").read_text(encoding="utf-8")), sep="\n")
