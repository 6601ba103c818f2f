"""MNIST as sequences of rows, split as in the book; the book's learning curve; input checks."""

import csv
import hashlib
import io
from pathlib import Path
from typing import Literal

import numpy as np

MNIST_FILE = Path(__file__).with_name("mnist.npz")
MNIST_SHA256 = "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64"
BOOK_CURVE_FILE = Path(__file__).with_name("book_curve.csv")
VALIDATION_SIZE = 5_000

Split = tuple[np.ndarray, np.ndarray]


def load_mnist(path: str | Path = MNIST_FILE) -> tuple[Split, Split, Split]:
    """Return MNIST as three pairs of images and labels: train, validation, test.

    The first 5,000 training images are the validation set, as in the book.

    Args:
        path: the file to read. The default is the one that comes with the package, so nothing is
            downloaded.

    Returns:
        ``(X_train, y_train), (X_valid, y_valid), (X_test, y_test)`` with 55,000, 5,000 and 10,000
        examples. ``X`` is float32 in [0, 1], shape (n, 28, 28): (batch, timesteps, features).
        ``y`` is int32 in 0..9, shape (n,).

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the file is not MNIST byte for byte (its SHA-256 differs).

    Example:
        >>> (X_train, y_train), (X_valid, y_valid), (X_test, y_test) = load_mnist()
        >>> X_train.shape, X_train.dtype, y_train[:5].tolist()
        ((55000, 28, 28), dtype('float32'), [7, 3, 4, 6, 1])
        >>> len(X_valid), len(X_test)
        (5000, 10000)
    """
    path = Path(path)
    cure = "Reinstall chapter14, or copy chapter14/mnist.npz again from its repository."
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"MNIST is missing: there is no file {path}. {cure}") from None
    except OSError as error:
        raise OSError(f"MNIST cannot be read from {path}: {error.strerror}. {cure}") from None
    if hashlib.sha256(content).hexdigest() != MNIST_SHA256:
        raise ValueError(
            f"MNIST is damaged: {path} ({len(content):,} bytes) does not have the SHA-256 "
            f"{MNIST_SHA256[:12]}... of the original. {cure}"
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        train = _scale(arrays["x_train"]), arrays["y_train"].astype(np.int32)
        test = _scale(arrays["x_test"]), arrays["y_test"].astype(np.int32)
    validation = tuple(array[:VALIDATION_SIZE] for array in train)
    train = tuple(array[VALIDATION_SIZE:] for array in train)
    return train, validation, test


def _scale(images: np.ndarray) -> np.ndarray:
    return np.multiply(images, np.float32(1 / 255), dtype=np.float32)


def load_book_curve() -> dict[str, np.ndarray]:
    """Return the accuracies of the book's own 100 epochs, as its public notebook prints them.

    Returns:
        ``epoch`` (int, from 0), ``last_batch_accuracy`` and ``test_accuracy`` (float64 in [0, 1]),
        each of shape (100,). Where they come from stands in ``chapter14/mnist.md``.

    Example:
        >>> curve = load_book_curve()
        >>> round(float(curve["test_accuracy"].max()), 4)
        0.9831
    """
    with BOOK_CURVE_FILE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    curve = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    curve["epoch"] = curve["epoch"].astype(int)
    return curve


def check_array(
    array,
    name: str,
    shape: tuple[int | None, ...],
    *,
    kind: Literal["number", "integer"] = "number",
    low: float | None = None,
    high: float | None = None,
) -> np.ndarray:
    """Return ``array`` as a NumPy array if it is what was expected.

    Args:
        array: anything that ``numpy.asarray`` takes.
        name: the argument's name, for the message.
        shape: the expected shape; None stands for any length but zero.
        kind: ``"number"`` for real numbers, all finite; ``"integer"`` for integers.
        low: the smallest value allowed.
        high: the largest value allowed.

    Raises:
        TypeError: the dtype is not of this kind.
        ValueError: another rank or shape, empty, NaN or infinite, or out of range.

    Example:
        >>> check_array([3, 14], "labels", (None,), kind="integer", low=0, high=9)
        Traceback (most recent call last):
        ...
        ValueError: labels: expected values from 0 to 9, got 14
    """
    wanted = "(" + ", ".join("n" if n is None else str(n) for n in shape) + ")"
    try:
        array = np.asarray(array)
    except ValueError:
        raise ValueError(f"{name}: expected an array of shape {wanted}, got ragged rows") from None
    kinds = {"number": "iuf", "integer": "iu"}[kind]
    if array.dtype.kind not in kinds and array.size:
        raise TypeError(f"{name}: expected {kind}s, got dtype {array.dtype}")
    fits = array.ndim == len(shape) and all(
        actual > 0 if expected is None else actual == expected
        for actual, expected in zip(array.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name}: expected shape {wanted}, got {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    lowest, highest = (-np.inf if low is None else low), (np.inf if high is None else high)
    outside = array[(array < lowest) | (array > highest)]
    if outside.size:
        wanted = f"values of {low} or more" if high is None else f"values from {low} to {high}"
        raise ValueError(f"{name}: expected {wanted}, got {outside.flat[0]}")
    return array


def check_images(images, name: str = "images") -> np.ndarray:
    """Return ``images`` if they are numbers in [0, 1] of shape (n, 28, 28)."""
    return check_array(images, name, (None, 28, 28), low=0, high=1)


def check_labels(labels, name: str = "labels", length: int | None = None) -> np.ndarray:
    """Return ``labels`` if they are integers in 0..9 of shape (n,), or (length,)."""
    return check_array(labels, name, (length,), kind="integer", low=0, high=9)
