"""MNIST as sequences of rows, split as in the book; the book's learning curve; input checks."""

import contextlib
import csv
import hashlib
import io
import os
from pathlib import Path
from typing import Literal

import numpy as np

MNIST_FILE = Path(__file__).with_name("mnist.npz")
MNIST_SHA256 = "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64"
BOOK_CURVE_FILE = Path(__file__).with_name("book_curve.csv")
_INSTALLED_RESULTS = Path(__file__).with_name("results")
RESULTS_FOLDER = (
    _INSTALLED_RESULTS
    if _INSTALLED_RESULTS.is_dir()
    else Path(__file__).parents[1] / "benchmarks" / "results"
)
VALIDATION_SIZE = 5_000
MOST_CONTROL_POINTS, MOST_WARP = 28, 1000

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
    path = check_path(path)
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
    return _read_columns(BOOK_CURVE_FILE)


def load_results(rung: str) -> dict[str, np.ndarray]:
    """Return the committed results of one rung of notebook 04, a run of one seed in each row.

    Args:
        rung: a rung of ``benchmarks/ladder.py``, for example ``"99"``; or ``"search"``, every
            recipe that was tried.

    Returns:
        the columns by name, among them ``seed`` and ``epochs`` (int), ``seconds`` and the
        accuracies ``validation`` and ``test`` (float64), each of shape (runs,). The search has
        no ``test``.

    Raises:
        ValueError: there are no results of that name.

    Example:
        >>> float(load_results("99")["test"].mean()) > 0.99
        True
    """
    names = sorted(file.stem for file in RESULTS_FOLDER.glob("*.csv"))
    if not isinstance(rung, str) or rung not in names:
        raise ValueError(f"rung: expected one of {', '.join(names)}; got {rung!r}")
    return _read_columns(RESULTS_FOLDER / f"{rung}.csv")


def _read_columns(path: Path) -> dict[str, np.ndarray]:
    with path.open(newline="") as file:
        names, *rows = csv.reader(file)
    columns = {}
    for name, column in zip(names, zip(*rows, strict=True), strict=True):
        columns[name] = np.array(column)
        for kind in (int, float):
            with contextlib.suppress(ValueError):
                columns[name] = np.array([kind(value) for value in column])
                break
    return columns


def augment(
    images,
    seed,
    *,
    rotation: float = 0.0,
    shear: float = 0.0,
    zoom: float = 0.0,
    shift: float = 0.0,
    elastic: float = 0.0,
    grid: int = 6,
):
    """Warp each image of a batch in its own random way, with a single resampling.

    An affine map and a smooth displacement are composed first; then each pixel is read once, by
    bilinear interpolation, so that strokes stay sharp. For ``tf.data.Dataset.map`` on batches.

    Args:
        images: uint8, shape (batch, height, width), 0 to 255. Outside an image is 0.
        seed: two integers; the same seed gives the same batch.
        rotation: largest angle in degrees; like the next three, uniform in both directions.
        shear: largest horizontal shift of a row, as a share of its distance from the centre.
        zoom: largest change of size, as a share.
        shift: largest displacement in pixels, along each axis.
        elastic: standard deviation in pixels of the random displacements at ``grid`` x ``grid``
            control points, between which a cubic B-spline runs (Simard, Steinkraus and Platt 2003
            smoothed a displacement of each pixel instead).
        grid: control points along each axis, 2 to 28.

    Returns:
        float32 tensor in [0, 1], of the shape of ``images``. With all amounts zero: images / 255.

    Raises:
        TypeError: ``images`` are not uint8, or ``seed`` is not of integers.
        ValueError: another rank, or an amount that is not in 0 to 1000.

    Example:
        >>> X = np.full((2, 28, 28), 255, np.uint8)
        >>> augment(X, (1, 2), rotation=10).shape
        TensorShape([2, 28, 28])
    """
    import tensorflow as tf

    images = _as_tensor(images, "images")
    if images.dtype != tf.uint8:
        raise TypeError(f"images: expected uint8, got {images.dtype.name}")
    if images.shape.rank != 3:
        raise ValueError(f"images: expected shape (batch, height, width), got {images.shape}")
    amounts = {"rotation": rotation, "shear": shear, "zoom": zoom, "shift": shift}
    for name, amount in (amounts | {"elastic": elastic}).items():
        check_array(amount, name, (), low=0, high=MOST_WARP)
    grid = int(check_array(grid, "grid", (), kind="integer", low=2, high=MOST_CONTROL_POINTS))

    seed = _as_tensor(seed, "seed")
    if not seed.dtype.is_integer:
        raise TypeError(f"seed: expected two integers, got {seed.dtype.name}")
    if seed.shape != (2,):
        raise ValueError(f"seed: expected two integers, got {seed}")
    (height, width), batch = images.shape[1:], tf.shape(images)[0]
    seed = tf.cast(seed, tf.int32)
    draws = tf.random.stateless_uniform((5, batch, 1, 1), seed, -1.0, 1.0)
    angle, slant, scale = draws[0] * np.deg2rad(rotation), draws[1] * shear, 1.0 + draws[2] * zoom
    cosine, sine = tf.cos(angle), tf.sin(angle)
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    y = (np.arange(height, dtype=np.float32) - middle_y)[None, :, None]
    x = (np.arange(width, dtype=np.float32) - middle_x)[None, None, :]
    # where each pixel of the result comes from
    from_x = scale * (cosine * x + (cosine * slant - sine) * y) + middle_x + draws[3] * shift
    from_y = scale * (sine * x + (sine * slant + cosine) * y) + middle_y + draws[4] * shift
    if elastic:
        other_seed = seed + tf.constant([1_000_003, 0])
        control = elastic * tf.random.stateless_normal((2 * batch, grid**2), other_seed)
        spread = np.kron(_spline_basis(height, grid), _spline_basis(width, grid)).T
        displacement = tf.reshape(control @ spread, (2, batch, height, width))
        from_x += displacement[0]
        from_y += displacement[1]
    return _resample(images, from_y, from_x)


def _as_tensor(value, name: str):
    import tensorflow as tf

    try:
        return tf.convert_to_tensor(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name}: expected an array or a tensor, got {value!r}") from error


def _spline_basis(size: int, grid: int) -> np.ndarray:
    """Return cubic B-spline weights, (size, grid), that spread control values over pixels."""
    distance = np.abs(np.linspace(0, grid - 1, size)[:, None] - np.arange(grid)[None])
    near = 2 / 3 - distance**2 + distance**3 / 2
    basis = np.where(distance < 1, near, np.clip(2 - distance, 0, None) ** 3 / 6)
    return (basis / basis.sum(axis=1, keepdims=True)).astype(np.float32)


def _resample(images, from_y, from_x):
    """Return the bilinear values in [0, 1] of uint8 images at the given places; 0 outside."""
    import tensorflow as tf

    height, width = images.shape[1:]
    # a pixel and its three neighbours in the four bytes of one integer: one gather fetches all
    padded = tf.cast(tf.pad(images, ((0, 0), (2, 3), (2, 3))), tf.int32)
    packed = padded[:, :-1, :-1] + 2**8 * padded[:, :-1, 1:]
    packed += 2**16 * padded[:, 1:, :-1] + 2**24 * padded[:, 1:, 1:]
    from_y = tf.clip_by_value(from_y, -2.0, height + 1.0)
    from_x = tf.clip_by_value(from_x, -2.0, width + 1.0)
    floor_y, floor_x = tf.floor(from_y), tf.floor(from_x)
    part_y, part_x = from_y - floor_y, from_x - floor_x
    index = tf.cast((floor_y + 2.0) * (width + 4) + floor_x + 2.0, tf.int32)
    index += tf.reshape(tf.range(tf.shape(images)[0]) * ((height + 4) * (width + 4)), (-1, 1, 1))
    packed = tf.gather(tf.reshape(packed, (-1,)), index)
    corners = [tf.bitwise.bitwise_and(tf.bitwise.right_shift(packed, 8 * k), 255) for k in range(4)]
    top_left, top_right, low_left, low_right = (tf.cast(c, tf.float32) for c in corners)
    top = top_left + part_x * (top_right - top_left)
    low = low_left + part_x * (low_right - low_left)
    return (top + part_y * (low - top)) / 255.0


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
    # as float64, since a large bound would overflow in the comparison with float32
    lowest = np.float64(-np.inf if low is None else low)
    highest = np.float64(np.inf if high is None else high)
    outside = array[(array < lowest) | (array > highest)]
    if outside.size:
        wanted = f"values of {low} or more" if high is None else f"values from {low} to {high}"
        raise ValueError(f"{name}: expected {wanted}, got {outside.flat[0]}")
    return array


def check_path(path, name: str = "path") -> Path:
    """Return ``path`` as a Path if it can be the name of a file."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{name}: expected a path, got {type(path).__name__}")
    text = os.fspath(path)
    if not isinstance(text, str):
        raise TypeError(f"{name}: expected a path of text, got {type(text).__name__}")
    with contextlib.suppress(UnicodeEncodeError):
        os.fsencode(text)
        if Path(text).name and "\0" not in text:
            return Path(text)
    raise ValueError(f"{name}: expected the name of a file, got {text!r}")


def check_images(images, name: str = "images") -> np.ndarray:
    """Return ``images`` if they are numbers in [0, 1] of shape (n, 28, 28)."""
    return check_array(images, name, (None, 28, 28), low=0, high=1)


def check_labels(labels, name: str = "labels", length: int | None = None) -> np.ndarray:
    """Return ``labels`` if they are integers in 0..9 of shape (n,), or (length,)."""
    return check_array(labels, name, (length,), kind="integer", low=0, high=9)
