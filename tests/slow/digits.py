"""Every form of a digit from outside, a hundred digits each: part of `make test-settings`."""

import pytest

import digit_forms
from test_drawing import count_read


@pytest.mark.parametrize("name", digit_forms.CLEAN)
def test_a_clean_drawing_is_read(name):
    assert count_read(digit_forms.CLEAN[name], first=10) >= 97


OTHERS = digit_forms.RULED | digit_forms.SCANS | digit_forms.PHOTOS


@pytest.mark.parametrize("name", OTHERS)
def test_ruled_paper_a_scan_or_a_photo_is_read(name):
    assert count_read(OTHERS[name], first=10) >= 90
