"""Each section of each notebook run twice, and once more after the end: `make test-order`."""

import pytest

from kernels import NOTEBOOKS, client_of, red, sections, without_outputs


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_sections_twice_and_again_after_the_end(path):
    notebook = without_outputs(path)
    client = client_of(notebook, path.parent)
    client.reset_execution_trackers()
    with client.setup_kernel():
        for numbers in [*(twice for s in sections(notebook) for twice in (s, s))]:
            run(client, notebook, numbers)
        for numbers in reversed(sections(notebook)):
            run(client, notebook, numbers)


def run(client, notebook, numbers):
    for number in numbers:
        client.execute_cell(notebook.cells[number], number)
        assert red(notebook) == ""
