"""The reference images in tests/baseline are compared with drawings of the same matplotlib only."""

import matplotlib
import pytest

DRAWN_BY = "3.11."  # another minor version lays text and axes out by other rules


def pytest_collection_modifyitems(items):
    if matplotlib.__version__.startswith(DRAWN_BY):
        return
    reason = f"the reference images are by matplotlib {DRAWN_BY}x, this is {matplotlib.__version__}"
    for item in items:
        if item.get_closest_marker("mpl_image_compare"):
            item.add_marker(pytest.mark.skip(reason=reason))
