"""The notebooks, as the tests of tests/ see them."""

import nbformat
import pytest

import notebooks

PATHS = notebooks.find([])


@pytest.fixture(params=PATHS, ids=[path.stem for path in PATHS])
def path(request):
    """The path of each notebook in turn."""
    return request.param


@pytest.fixture
def notebook(path):
    """Each notebook in turn."""
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="session")
def all_notebooks():
    """Every notebook, by its name."""
    return {path.stem: nbformat.read(path, as_version=4) for path in PATHS}
