"""Digits turn, shear, grow, move, and bend as the docstrings say."""

import numpy as np
import pytest
import tensorflow as tf

from chapter14.augment import _spline_weights, augment, transform
from chapter14.mnist import load_mnist

AMOUNTS = {"rotation": 8, "shear": 0.1, "zoom": 0.08, "shift": 1.3, "elastic": 1.7}
# Images whose value is the place itself: transformed, they tell where each pixel was read.
ROWS, COLUMNS = np.mgrid[:28, :28].astype(np.float32)
INSIDE = (slice(None), slice(8, 20), slice(8, 20))  # never read from outside the image below


@pytest.fixture(scope="module")
def digits():
    _, (X_valid, _), _ = load_mnist()
    return X_valid[:500]


def read_from(change, batch=1, **amounts):
    """Return how far below and to the right of its own place each pixel was read."""
    rows, columns = (
        np.asarray(change(np.repeat(place[None], batch, axis=0), **amounts))
        for place in (ROWS, COLUMNS)
    )
    return (rows - ROWS)[INSIDE], (columns - COLUMNS)[INSIDE]


def dot(row, column, size=9):
    image = np.zeros((1, size, size), np.float32)
    image[0, row, column] = 1
    return image


def center_of_mass(images):
    y, x = np.mgrid[: images.shape[1], : images.shape[2]]
    ink = images.sum(axis=(1, 2))
    return (images * y).sum(axis=(1, 2)) / ink, (images * x).sum(axis=(1, 2)) / ink


def test_nothing_to_do_gives_the_images_back(digits):
    assert np.array_equal(transform(digits), digits)
    assert np.allclose(augment(digits, (1, 2)), digits, atol=1e-6)


@pytest.mark.parametrize(("shift_y", "shift_x"), [(0, 3), (0, -3), (2, 0), (-2, 0), (1, -2)])
def test_a_dot_moves_by_the_stated_pixels_along_each_axis(shift_y, shift_x):
    moved = transform(dot(4, 4), shift_y=shift_y, shift_x=shift_x)
    assert np.array_equal(moved, dot(4 + shift_y, 4 + shift_x))


def test_half_a_pixel_is_shared_by_two():
    moved = transform(dot(4, 4), shift_x=0.25)
    assert moved[0, 4, 4:6].numpy().tolist() == [0.75, 0.25]
    moved = transform(dot(4, 4), shift_y=-0.25)
    assert moved[0, 3:5, 4].numpy().tolist() == [0.25, 0.75]


@pytest.mark.parametrize("degrees", [90, -90])
def test_a_bar_turns_by_90_degrees_counterclockwise(degrees):
    bar = np.zeros((1, 9, 9), np.float32)
    bar[0, 4, 5:8] = 1  # from the center to the right
    turned = transform(bar, rotation=degrees).numpy()
    assert np.allclose(turned, np.rot90(bar, degrees // 90, axes=(1, 2)), atol=1e-5)


def test_a_line_shears_to_the_right_above_the_center_and_to_the_left_below():
    line = np.zeros((1, 9, 9), np.float32)
    line[0, :, 4] = 1
    sheared = transform(line, shear=0.5).numpy()[0]
    assert [row @ np.arange(9) for row in sheared] == pytest.approx(
        [6, 5.5, 5, 4.5, 4, 3.5, 3, 2.5, 2]
    )


@pytest.mark.parametrize("zoom", [1.5, 0.5])
def test_a_square_grows_by_the_stated_factor(zoom):
    square = np.zeros((1, 41, 41), np.float32)
    square[0, 14:27, 14:27] = 1
    zoomed = transform(square, zoom=zoom).numpy()[0]
    assert zoomed[20].sum() == pytest.approx(13 * zoom, rel=0.08)
    assert zoomed[:, 20].sum() == pytest.approx(13 * zoom, rel=0.08)
    assert np.allclose(zoomed, zoomed[::-1, ::-1], atol=1e-5)  # about the center


def test_the_changes_come_in_the_stated_order_and_each_image_gets_its_own():
    amounts = {
        "shift_x": np.array([2.0, -1.0]),
        "rotation": np.array([20.0, -30.0]),
        "shear": np.array([0.2, -0.1]),
        "zoom": np.array([1.1, 0.8]),
    }
    arrays = {name: a.reshape(2, 1, 1).astype(np.float32) for name, a in amounts.items()}
    smooth = np.exp(-((ROWS - 11) ** 2 + (COLUMNS - 15) ** 2) / 30)[None].repeat(2, axis=0)
    at_once = transform(smooth, **arrays).numpy()
    one_by_one = smooth
    for name, array in arrays.items():
        one_by_one = transform(one_by_one, **{name: array}).numpy()
    assert np.abs(at_once - one_by_one).max() < 0.03
    other_order = smooth
    for name in reversed(arrays):
        other_order = transform(other_order, **{name: arrays[name]}).numpy()
    assert np.abs(at_once - other_order).max() > 0.1


def test_displacements_say_where_a_pixel_reads():
    displacement = np.zeros((2, 1, 9, 9), np.float32)
    displacement[0, 0, 4, 4] = 2  # to the right
    displacement[1, 0, 4, 4] = -3  # and above
    moved = transform(dot(1, 6), displacement=displacement)
    assert np.array_equal(moved, dot(1, 6) + dot(4, 4))


def test_outside_an_image_there_is_no_ink_and_no_other_image():
    full = np.ones((3, 5, 5), np.float32)
    full[1] = 0.5
    for shift in (2.5, 40, -40, -2.5):
        for axis, name in enumerate(("shift_y", "shift_x")):
            moved = transform(full, **{name: shift}).numpy()
            along = moved.mean(axis=(0, 2 - axis))
            expected = np.clip(np.arange(5) - shift + 1, 0, 1) * np.clip(
                5 - np.arange(5) + shift, 0, 1
            )
            assert np.allclose(along, 5 / 6 * expected, atol=1e-6), (name, shift)


@pytest.mark.parametrize("name", ["rotation", "shear", "zoom", "shift"])
def test_random_amounts_fill_their_range_in_both_directions(name):
    amount = {"rotation": 10, "shear": 0.2, "zoom": 0.3, "shift": 2}[name]
    below, right = read_from(lambda images: augment(images, (5, 6), **{name: amount}), batch=400)
    if name == "shift":
        drawn = [below[:, 0, 0], right[:, 0, 0]]
        assert abs(np.corrcoef(drawn)[0, 1]) < 0.2  # each axis has its own
    elif name == "rotation":
        slope = np.diff(right[:, :, 0], axis=1).mean(axis=1)
        drawn = [np.rad2deg(-np.arcsin(slope))]
    elif name == "shear":
        drawn = [np.diff(right[:, :, 0], axis=1).mean(axis=1)]
        assert np.allclose(below, 0, atol=1e-3)
    else:
        drawn = [np.diff(right[:, 0], axis=1).mean(axis=1)]
        assert np.allclose(drawn[0], np.diff(below[:, :, 0], axis=1).mean(axis=1), atol=1e-3)
    for values in drawn:  # uniform from -amount to amount
        assert values.min() == pytest.approx(-amount, rel=0.03)
        assert values.max() == pytest.approx(amount, rel=0.03)
        assert values.std() == pytest.approx(amount / np.sqrt(3), rel=0.06)


def test_a_grid_bends_with_the_stated_standard_deviation():
    grid, size = 4, 28  # the inner control points are at pixels 9 and 18
    below, right = read_from(lambda images: augment(images, (1, 2), elastic=0.8, grid=grid), 2000)
    for displacement in (below, right):
        at_control_point = displacement[:, 1, 1]  # pixel (9, 9)
        assert at_control_point.std() == pytest.approx(0.4, rel=0.06)
        assert at_control_point.mean() == pytest.approx(0, abs=0.04)
        neighbors = np.diff(displacement, axis=2)
        assert np.abs(neighbors).max() < 0.8  # smooth
    assert abs(np.corrcoef(below[:, 1, 1], right[:, 1, 1])[0, 1]) < 0.1
    other = displacement[:, 1, 1 + size // 3]  # pixel (9, 18): a control point further
    assert 0.2 < np.corrcoef(displacement[:, 1, 1], other)[0, 1] < 0.6


def b_spline(x, degree=3):
    """The B-spline centered at 0 with knots at distance 1, by its recursion (de Boor 1972)."""
    if degree == 0:
        return ((x >= -0.5) & (x < 0.5)).astype(float)
    half = (degree + 1) / 2
    left, right = b_spline(x + 0.5, degree - 1), b_spline(x - 0.5, degree - 1)
    return ((half + x) * left + (half - x) * right) / degree


@pytest.mark.parametrize(("size", "grid"), [(28, 6), (20, 9), (5, 2)])
def test_between_control_points_runs_a_cubic_b_spline(size, grid):
    place = np.linspace(0, grid - 1, size)  # of each pixel, in distances of control points
    expected = b_spline(place[:, None] - np.arange(grid))
    expected /= expected.sum(axis=1, keepdims=True)  # at the border, some points are missing
    assert np.allclose(_spline_weights(size, grid), expected, atol=1e-6)


def test_a_finer_grid_bends_in_more_places():
    changes = {}
    for grid in (3, 8):
        below, _ = read_from(
            lambda images, g=grid: augment(images, (1, 2), elastic=0.8, grid=g), 300
        )
        changes[grid] = np.diff(below, axis=1).std() / below.std()
    assert changes[8] > 1.8 * changes[3]


def test_the_same_seed_gives_the_same_batch_and_another_seed_another(digits):
    first, again, other, another = (
        augment(digits, seed, **AMOUNTS).numpy() for seed in ((1, 2), (1, 2), (1, 3), (2, 2))
    )
    assert np.array_equal(first, again)
    assert np.abs(first - other).mean() > 0.01
    assert np.abs(first - another).mean() > 0.01


def test_a_seed_gives_what_it_gave_when_the_results_were_made(digits):
    y, x = center_of_mass(augment(digits, (1, 2), **AMOUNTS).numpy()[:3])
    assert x == pytest.approx([15.3043, 14.2603, 13.5253], abs=0.001)
    assert y == pytest.approx([13.2739, 13.7047, 14.7637], abs=0.001)


def test_the_default_grid_has_6_control_points_along_each_axis(digits):
    by_default = augment(digits, (1, 2), elastic=1.7)
    assert np.array_equal(by_default, augment(digits, (1, 2), elastic=1.7, grid=6))


def test_each_image_of_a_batch_is_changed_in_its_own_way(digits):
    copies = np.repeat(digits[:1], 8, axis=0)
    for amounts in (AMOUNTS, {"elastic": 1.7}, {"rotation": 8}):
        changed = augment(copies, (1, 2), **amounts).numpy()
        assert len({image.tobytes() for image in changed}) == 8


def test_ink_stays_in_range_and_its_amount_and_place_stay_about_the_same(digits):
    changed = augment(digits, (1, 2), **AMOUNTS).numpy()
    assert changed.dtype == np.float32
    assert changed.min() >= 0
    assert changed.max() <= 1
    ink = changed.sum(axis=(1, 2)) / digits.sum(axis=(1, 2))
    assert ink.mean() == pytest.approx(1, abs=0.05)
    for before, after in zip(center_of_mass(digits), center_of_mass(changed), strict=True):
        assert np.abs(after - before).max() < 4
        assert abs((after - before).mean()) < 0.2


def test_it_runs_in_a_tf_data_pipeline(digits):
    data = tf.data.Dataset.from_tensor_slices(digits).batch(100, drop_remainder=True).enumerate()
    data = data.map(lambda step, batch: augment(batch, (7, step), **AMOUNTS))
    batches = list(data)
    assert len(batches) == 5
    assert np.allclose(batches[3], augment(digits[300:400], (7, 3), **AMOUNTS), atol=1e-5)


def test_a_zoom_that_would_turn_images_inside_out_is_refused():
    with pytest.raises(ValueError, match="zoom"):
        augment(np.ones((1, 28, 28), np.float32), (1, 2), zoom=1.0)
