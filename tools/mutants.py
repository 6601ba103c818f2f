"""Plant small bugs in the package, one at a time, and count how many the tests find.

    python tools/mutants.py            `make test-mutants`, up to an hour on two cores
    python tools/mutants.py drawing    one module

mutmut makes the mutants and runs the tests that reach each. Every mutant of augment and drawing is
tried, and a random sample of the others. Stopped and started again, it goes on where it was; delete
the folder mutants/ to begin anew.
"""

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SAMPLE_SIZES = {"augment": None, "drawing": None, "mnist": 100, "recipes": 40}  # None: all
FOUND = {1, 3, 24, -24, 36, 152, 255}  # exit codes: a test or pytest failed, or took too long


def mutmut(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "mutmut", *arguments], cwd=ROOT, **options)


def make_mutants() -> None:
    """Make every mutant and learn which tests reach it, without trying any."""
    done = mutmut("run", "none of them", capture_output=True, text=True)
    if "nothing matches" not in done.stderr:
        raise SystemExit(done.stdout + done.stderr)


def exit_codes(module: str) -> dict[str, int | None]:
    """Return the exit code of the tests for each mutant, None where it wasn't tried yet."""
    path = ROOT / "mutants" / "chapter14" / f"{module}.py.meta"
    return json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]


def sample(module: str) -> list[str]:
    """Return the mutants to try, the same ones each time."""
    names = sorted(exit_codes(module))
    size = SAMPLE_SIZES[module] or len(names)
    return random.Random(14).sample(names, min(size, len(names)))


def report(module: str) -> None:
    """Print how many mutants were found, and those that weren't."""
    names, codes = sample(module), exit_codes(module)
    survivors = [name for name in names if codes[name] not in FOUND]
    print(f"\n{module}: {len(names) - len(survivors)} of {len(names)} mutants found")
    for name in sorted(survivors):
        print(mutmut("show", name, stdout=subprocess.PIPE, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("module", nargs="*", help=f"of {', '.join(SAMPLE_SIZES)}; default: all")
    modules = parser.parse_args().module or list(SAMPLE_SIZES)
    make_mutants()
    for module in modules:
        mutmut("run", *sample(module))
    for module in modules:
        report(module)


if __name__ == "__main__":
    main()
