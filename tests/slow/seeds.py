"""The asserted ranges over ten seeds: `make test-seeds`, or python tests/slow/seeds.py 02 03.

Each notebook runs with the seeds 1 to 10 in place of its own, every assert in it as committed. The
table has, for each assert that compares numbers, the smallest margin over the seeds and the mean:
how far the left side was on the right side of the comparison.
"""

import ast
import json
import re
import sys
import time
from pathlib import Path

from nbclient.exceptions import CellExecutionError

from kernels import NOTEBOOKS, client_of, without_outputs

SEEDS = range(1, 11)
SEED = re.compile(r"(set_random_seed\(|default_rng\(|\bseed=)14\b")


class Margins(ast.NodeTransformer):
    """Before each ``assert left < right`` (or >, <=, >=), keep what they differ by."""

    def visit_Assert(self, node):
        test = node.test
        if not isinstance(test, ast.Compare):
            return node
        kept = []
        for left, operation, right in zip(
            [test.left, *test.comparators], test.ops, test.comparators, strict=False
        ):
            sign = {ast.Gt: "-", ast.GtE: "-", ast.Lt: "+", ast.LtE: "+"}.get(type(operation))
            if sign:
                difference = f"({ast.unparse(left)}) - ({ast.unparse(right)})"
                if sign == "+":
                    difference = f"-({difference})"
                name = json.dumps(ast.unparse(test))
                kept += ast.parse(
                    f"globals().setdefault('_margins', []).append(({name}, float({difference})))"
                ).body
        return [*kept, node]


def with_seed(path: Path, seed: int):
    """Return a notebook with another seed that keeps the margins of its asserts."""
    notebook = without_outputs(path)
    changed = 0
    for cell in notebook.cells:
        if cell.cell_type == "code" and "%pip" not in cell.source:
            source, count = SEED.subn(rf"\g<1>{seed}", cell.source)
            changed += count
            tree = Margins().visit(ast.parse(source))
            cell.source = ast.unparse(ast.fix_missing_locations(tree))
    assert changed, f"{path.name} has no seed"
    last = notebook.cells[-1].copy()
    last.update(cell_type="code", source="import json; print(json.dumps(_margins))", metadata={})
    last.update(outputs=[], execution_count=None)
    notebook.cells.append(last)
    return notebook


def main(prefixes: list[str]) -> int:
    failed = 0
    for path in NOTEBOOKS:
        if not prefixes or path.name.startswith(tuple(prefixes)):
            failed += over_the_seeds(path)
    return failed


def over_the_seeds(path: Path) -> int:
    """Run one notebook with each seed, print its margins, and return how many runs failed."""
    failed, margins, name = 0, {}, path.stem
    for seed in SEEDS:
        notebook, started = with_seed(path, seed), time.perf_counter()
        try:
            client_of(notebook, path.parent).execute()
        except CellExecutionError as error:
            failed += 1
            print(f"{name}, seed {seed}: {str(error).splitlines()[-1]}", flush=True)
            print(str(error)[-1500:], file=sys.stderr)
            continue
        seconds = time.perf_counter() - started
        print(f"{name}, seed {seed}: passed, {seconds:.0f} s", flush=True)
        for condition, margin in json.loads(notebook.cells[-1].outputs[0].text):
            margins.setdefault(condition, []).append(margin)
    for condition, values in margins.items():
        mean = sum(values) / len(values)
        print(f"    smallest {min(values):10.4g}  mean {mean:10.4g}  {condition}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
