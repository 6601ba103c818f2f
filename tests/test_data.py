import hashlib
import os
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from chapter14 import data
from chapter14.data import check_array, load_book_curve, load_mnist


@pytest.fixture(scope="module")
def mnist():
    return load_mnist()


def test_split_sizes_shapes_and_dtypes(mnist):
    for (X, y), size in zip(mnist, (55_000, 5_000, 10_000), strict=True):
        assert X.shape == (size, 28, 28)
        assert X.dtype == np.float32
        assert (X.min(), X.max()) == (0, 1)
        assert y.shape == (size,)
        assert y.dtype == np.int32
        assert set(y) == set(range(10))


def test_the_first_5000_training_images_are_the_validation_set(mnist):
    (X_train, y_train), (X_valid, y_valid), (_, y_test) = mnist
    with np.load(data.MNIST_FILE) as arrays:
        assert np.array_equal(np.rint(X_valid * 255), arrays["x_train"][:5_000])
        assert np.array_equal(np.rint(X_train[:100] * 255), arrays["x_train"][5_000:5_100])
        assert np.array_equal(np.concatenate([y_valid, y_train]), arrays["y_train"])
        assert np.array_equal(y_test, arrays["y_test"])


def test_the_checksum_in_the_licence_notice_is_that_of_the_file():
    digest = hashlib.sha256(data.MNIST_FILE.read_bytes()).hexdigest()
    notice = data.MNIST_FILE.with_suffix(".md").read_text()
    assert digest == data.MNIST_SHA256
    assert digest in notice
    assert "Attribution-Share Alike 3.0" in notice


def test_load_mnist_takes_less_than_a_second_and_a_half():
    durations = []
    for _ in range(3):
        started = time.perf_counter()
        load_mnist()
        durations.append(time.perf_counter() - started)
    assert min(durations) < 1.5


def test_a_missing_file_is_named_with_the_cure(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.npz.*Reinstall chapter14"):
        load_mnist(tmp_path / "nowhere.npz")
    with pytest.raises(OSError, match="cannot be read from"):
        load_mnist(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: content[:5_000_000] + b"\x00" + content[5_000_001:],
        lambda content: b"<html>proxy login</html>",
    ],
)
def test_a_damaged_file_is_found_before_it_is_used(tmp_path, damage):
    path = tmp_path / "mnist.npz"
    path.write_bytes(damage(data.MNIST_FILE.read_bytes()))
    with pytest.raises(ValueError, match=r"damaged: .*mnist\.npz.*SHA-256.*Reinstall"):
        load_mnist(path)


def test_a_hundred_flipped_bits_and_a_hundred_truncations_are_each_found(tmp_path):
    rng = np.random.default_rng(14)
    path = tmp_path / "mnist.npz"
    content = data.MNIST_FILE.read_bytes()
    path.write_bytes(content)
    load_mnist(path)
    with path.open("r+b", buffering=0) as file:
        for position in rng.integers(len(content), size=100):
            flipped = content[position] ^ (1 << int(rng.integers(8)))
            os.pwrite(file.fileno(), bytes([flipped]), position)
            with pytest.raises(ValueError, match="damaged"):
                load_mnist(path)
            os.pwrite(file.fileno(), content[position : position + 1], position)
        load_mnist(path)  # whole again
        for size in sorted(rng.integers(len(content), size=100), reverse=True):
            file.truncate(size)
            with pytest.raises(ValueError, match=f"damaged.*{size:,} bytes"):
                load_mnist(path)


def test_the_book_curve_has_the_published_figures():
    curve = load_book_curve()
    accuracy = curve["test_accuracy"]
    assert curve["epoch"].tolist() == list(range(100))
    assert (accuracy.max(), accuracy.argmax()) == (0.9831, 53)
    assert accuracy[-1] == 0.9744
    assert accuracy[-10:].mean() == pytest.approx(0.9777, abs=5e-5)


@pytest.mark.parametrize(
    ("array", "options", "error", "message"),
    [
        ([[1, 2]], {}, ValueError, r"x: expected shape \(n\), got \(1, 2\)"),
        ([], {}, ValueError, r"x: expected shape \(n\), got \(0,\)"),
        ([1.0, np.nan], {}, ValueError, "x: expected finite numbers, got NaN"),
        ([1.0, np.inf], {}, ValueError, "x: expected finite numbers"),
        ([1.5], {"kind": "integer"}, TypeError, "x: expected integers, got dtype float64"),
        (["7"], {}, TypeError, "x: expected numbers, got dtype <U1"),
        ([None], {}, TypeError, "x: expected numbers, got dtype object"),
        ([[1, 2], [3]], {}, ValueError, "x: .*got ragged rows"),
        ([1, 14], {"low": 0, "high": 9}, ValueError, "x: expected values from 0 to 9, got 14"),
        ([-1, 3], {"low": 0, "high": 9}, ValueError, "x: expected values from 0 to 9, got -1"),
        ([-1], {"low": 0}, ValueError, "x: expected values of 0 or more, got -1"),
    ],
)
def test_check_array_names_the_argument_and_what_came(array, options, error, message):
    with pytest.raises(error, match=message):
        check_array(array, "x", (None,), **options)


@given(
    hnp.arrays(
        st.sampled_from([np.float64, np.float32, np.int32, np.uint8, np.bool_, np.complex64]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3),
    )
)
def test_check_array_returns_the_array_or_says_what_is_wrong(array):
    try:
        checked = check_array(array, "x", (None, None), low=0, high=1)
    except (ValueError, TypeError) as error:
        checked, message = None, str(error)
    if checked is None:
        assert message.startswith("x: expected ")
    else:
        assert checked.ndim == 2
        assert ((checked >= 0) & (checked <= 1)).all()
