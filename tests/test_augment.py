import inspect

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from chapter14.data import augment, load_mnist

AMOUNTS = {"rotation": 8, "shear": 0.1, "zoom": 0.08, "shift": 1.3, "elastic": 1.7}


@pytest.fixture(scope="module")
def digits():
    _, (X_valid, _), _ = load_mnist()
    return np.rint(X_valid[:500] * 255).astype(np.uint8)


def test_no_amount_gives_the_image_back(digits):
    assert np.allclose(augment(digits, (1, 2)), digits / 255, atol=1e-6)


def test_the_same_seed_gives_the_same_batch_and_another_seed_another(digits):
    first, again, other = (augment(digits, (1, n), **AMOUNTS).numpy() for n in (2, 2, 3))
    assert np.array_equal(first, again)
    assert np.abs(first - other).mean() > 0.01


def test_each_image_gets_its_own_warp(digits):
    copies = np.repeat(digits[:1], 8, axis=0)
    warped = augment(copies, (1, 2), **AMOUNTS).numpy()
    assert len({image.tobytes() for image in warped}) == 8


def test_ink_stays_inside_and_its_amount_stays_about_the_same(digits):
    warped = augment(digits, (1, 2), **AMOUNTS).numpy()
    assert warped.dtype == np.float32
    assert warped.min() >= 0
    assert warped.max() <= 1
    ink = warped.sum(axis=(1, 2)) / (digits.sum(axis=(1, 2)) / 255)
    assert ink.mean() == pytest.approx(1, abs=0.05)
    assert ink.min() > 0.6
    border = warped.copy()
    border[:, 1:-1, 1:-1] = 0
    assert border.sum() / warped.sum() < 0.01


@pytest.mark.parametrize(
    ("name", "amount", "expected"),
    [("shift", 3.0, "a translation"), ("rotation", 90.0, "a turn"), ("zoom", 0.3, "a size")],
)
def test_a_disc_moves_as_the_amounts_say(name, amount, expected):
    y, x = np.mgrid[:28, :28] - 13.5
    disc = (255 * (np.hypot(y, x) < 6)).astype(np.uint8)
    warped = augment(np.stack([disc] * 200), (5, 6), **{name: amount}).numpy()
    mass = warped.sum(axis=(1, 2))
    centres = np.stack([(warped * c).sum(axis=(1, 2)) / mass for c in (y, x)], axis=1)
    if name == "shift":
        assert np.abs(centres).max() == pytest.approx(3, abs=0.1)
        assert np.abs(centres.mean(axis=0)).max() < 0.5
    else:
        assert np.allclose(centres, 0, atol=0.05), expected
    ratio = mass / (disc.sum() / 255)
    if name == "zoom":  # lengths are divided by 1 - 0.3 to 1 + 0.3
        assert ratio.max() == pytest.approx(1 / 0.7**2, rel=0.1)
        assert ratio.min() == pytest.approx(1 / 1.3**2, rel=0.1)
    else:
        assert np.allclose(ratio, 1, atol=0.02)


def test_it_runs_in_a_tf_data_pipeline(digits):
    data = tf.data.Dataset.from_tensor_slices(digits).batch(100, drop_remainder=True).enumerate()
    data = data.map(lambda step, batch: augment(batch, (7, step), **AMOUNTS))
    batches = list(data)
    assert len(batches) == 5
    assert np.allclose(batches[3], augment(digits[300:400], (7, 3), **AMOUNTS), atol=1e-5)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        (
            {"images": np.zeros((2, 28, 28), np.float32)},
            TypeError,
            "images: expected uint8",
        ),
        ({"images": np.zeros((28, 28), np.uint8)}, ValueError, r"images: expected shape \(batch"),
        ({"rotation": -1.0}, ValueError, "rotation: expected values from 0 to 1000, got -1.0"),
        ({"shift": np.nan}, ValueError, "shift: expected finite numbers, got NaN"),
        ({"zoom": "much"}, TypeError, "zoom: expected numbers, got dtype"),
        ({"grid": 1}, ValueError, "grid: expected values from 2 to 28, got 1"),
        ({"seed": 3}, ValueError, "seed: expected two integers, got 3"),
        ({"seed": (1, 2, 3)}, ValueError, "seed: expected two integers, got"),
        ({"seed": (1.5, 2)}, TypeError, "seed: expected two integers, got"),
    ],
)
def test_bad_input_is_named(changed, error, message):
    arguments = {"images": np.zeros((2, 28, 28), np.uint8), "seed": (1, 2)} | changed
    with pytest.raises(error, match=message):
        augment(arguments.pop("images"), arguments.pop("seed"), **arguments)


AMOUNT_NAMES = [n for n, p in inspect.signature(augment).parameters.items() if p.default == 0.0]


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(AMOUNT_NAMES), st.floats(width=32), min_size=1))
def test_any_amount_is_applied_or_named(amounts):
    try:
        warped = augment(np.full((2, 28, 28), 9, np.uint8), (1, 2), **amounts)
    except ValueError as error:
        name, message = str(error).split(": ", 1)
        assert message.startswith("expected")
        assert not 0 <= amounts[name] <= 1000
    else:
        assert np.isfinite(warped).all()
