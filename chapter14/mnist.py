"""MNIST as sequences of rows, split as in the book; the book's learning curve; our results."""

import csv
import hashlib
import io
import json
from pathlib import Path

import numpy as np

MNIST_FILE = Path(__file__).with_name("mnist.npz")
MNIST_SHA256 = "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64"
BOOK_CURVE_FILE = Path(__file__).with_name("book_curve.csv")
RESULTS_FOLDER = Path(__file__).with_name("results")
VALIDATION_SIZE = 5_000

Split = tuple[np.ndarray, np.ndarray]


def load_mnist(path: str | Path = MNIST_FILE) -> tuple[Split, Split, Split]:
    """Return MNIST as three pairs of images and labels: train, validation, test.

    The first 5,000 training images are the validation set, as in the book.

    Args:
        path: the file to read. The default comes with the package, so nothing is downloaded.

    Returns:
        ``(X_train, y_train), (X_valid, y_valid), (X_test, y_test)`` with 55,000, 5,000, and 10,000
        examples. ``X`` is float32 in [0, 1], shape (n, 28, 28): (batch, timesteps, features).
        ``y`` is int32 in 0..9, shape (n,).

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the file isn't MNIST byte for byte (its SHA-256 differs).

    Example:
        >>> (X_train, y_train), (X_valid, y_valid), (X_test, y_test) = load_mnist()
        >>> X_train.shape, X_train.dtype, y_train[:5].tolist()
        ((55000, 28, 28), dtype('float32'), [7, 3, 4, 6, 1])
        >>> len(X_valid), len(X_test)
        (5000, 10000)
    """
    cure = "Reinstall chapter14, or copy chapter14/mnist.npz again from its repository."
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"MNIST is missing: there is no file {path}. {cure}") from None
    if hashlib.sha256(content).hexdigest() != MNIST_SHA256:
        raise ValueError(f"MNIST is damaged: {path} isn't the original file. {cure}")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        X, y = _scale(arrays["x_train"]), arrays["y_train"].astype(np.int32)
        X_test, y_test = _scale(arrays["x_test"]), arrays["y_test"].astype(np.int32)
    validation = X[:VALIDATION_SIZE], y[:VALIDATION_SIZE]
    train = X[VALIDATION_SIZE:], y[VALIDATION_SIZE:]
    return train, validation, (X_test, y_test)


def _scale(images: np.ndarray) -> np.ndarray:
    return images / np.float32(255)


def load_book_curve() -> dict[str, np.ndarray]:
    """Return the accuracies of the book's own 100 epochs, as its public notebook prints them.

    Returns:
        ``epoch`` (int, from 0), ``last_batch_accuracy``, and ``test_accuracy`` (float64 in
        [0, 1]), each of shape (100,). Their source is in ``chapter14/mnist.md``.

    Example:
        >>> curve = load_book_curve()
        >>> round(float(curve["test_accuracy"].max()), 4)
        0.9831
    """
    with BOOK_CURVE_FILE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    curve = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    curve["epoch"] = curve["epoch"].astype(int)
    return curve


def load_results(name: str) -> dict[str, np.ndarray]:
    """Return the precomputed results of one recipe, one run per row.

    Args:
        name: a recipe of ``chapter14.recipes``, for example ``"fast"``; or ``"search"`` for
            everything that was tried.

    Returns:
        the columns by name, each of shape (runs,): among them ``seed`` and ``epochs`` (int),
        ``seconds``, and the accuracies ``validation`` and ``test`` (float64). The search has no
        ``test``.

    Raises:
        FileNotFoundError: there are no results of that name.

    Example:
        >>> float(load_results("regularized")["test"].mean()) > 0.99
        True
    """
    file = RESULTS_FOLDER / f"{name}.jsonl"
    if not file.is_file():
        names = ", ".join(sorted(path.stem for path in RESULTS_FOLDER.glob("*.jsonl")))
        raise FileNotFoundError(f"no results named {name!r}; there are {names}")
    runs = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {column: _as_column([run[column] for run in runs]) for column in runs[0]}


def _as_column(values: list) -> np.ndarray:
    if isinstance(values[0], list):  # of unequal lengths, which NumPy can't stack
        column = np.empty(len(values), dtype=object)
        column[:] = values
        return column
    return np.array(values)
