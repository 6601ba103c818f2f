"""The figures of the notebooks. One panel: takes ``ax``, returns it. A grid: returns its figure."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.ticker import PercentFormatter, ScalarFormatter

from chapter14.data import check_array, check_images, check_labels, check_path, load_book_curve
from chapter14.runtime import replacing

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#888888"
MOST_DRAWN = 400  # digits: beyond these a figure takes minutes and cannot be looked at


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Save ``figure`` as ``path``, making its folder; the ending chooses the format.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_figure(plt.figure(), f"{folder}/images/empty.png").name
        'empty.png'
    """
    if not isinstance(figure, Figure):
        raise TypeError(f"figure: expected a matplotlib Figure, got {type(figure).__name__}")
    path = check_path(path)
    endings = figure.canvas.get_supported_filetypes()
    if path.suffix.removeprefix(".") not in endings:
        raise ValueError(f"path: expected an ending among {', '.join(endings)}, got {path.name!r}")
    with replacing(path) as unfinished:
        # no date inside: the same figure gives the same file
        figure.savefig(unfinished, metadata={"Date": None} if path.suffix == ".svg" else None)
    return path


def plot_rows(image: np.ndarray, timestep: int = 27, ax: Axes | None = None) -> Axes:
    """Draw one digit as the sequence of its rows; those after ``timestep`` are still to come.

    Args:
        image: (28, 28), in [0, 1].
        timestep: the last row that has arrived, 0..27.

    Example:
        >>> ax = plot_rows(np.eye(28), timestep=9)
        >>> ax.get_ylabel()
        'timestep t (one row each)'
    """
    image = check_array(image, "image", (28, 28), low=0, high=1)
    timestep = int(check_array(timestep, "timestep", (), kind="integer", low=0, high=27))
    if check_axes(ax) is None:
        ax = plt.subplots(figsize=(3.6, 3.8))[1]
    strips = np.full((28, 4, 28), np.nan)
    strips[:, :3] = image[:, None, :]
    arrived = np.where(np.arange(28) <= timestep, 1.0, 0.18).repeat(4)
    ax.imshow(
        strips.reshape(112, 28),
        cmap="Greys",
        vmin=-0.12,  # the paper of a strip is a light grey, so that an empty row is seen
        vmax=1,
        alpha=np.broadcast_to(arrived[:, None], (112, 28)),
        extent=(-0.5, 27.5, 27.625, -0.375),
        aspect="equal",
    )
    ax.set_yticks([0, 7, 14, 21, 27])
    ax.set_xticks([0, 7, 14, 21, 27])
    ax.set_ylabel("timestep t (one row each)")
    ax.set_xlabel("feature (one pixel each)")
    ax.spines[:].set_visible(False)
    return ax


def plot_architecture(image: np.ndarray, units: int = 150, ax: Axes | None = None) -> Axes:
    """Draw the sequence classifier, unrolled: rows in at the bottom, ten probabilities at the end.

    Args:
        image: (28, 28), in [0, 1]; its own rows are the inputs in the drawing.
        units: recurrent neurons, 1 or more.

    Example:
        >>> ax = plot_architecture(np.eye(28))
        >>> "SimpleRNN(150)" in [text.get_text() for text in ax.texts]
        True
    """
    image = check_array(image, "image", (28, 28), low=0, high=1)
    units = int(check_array(units, "units", (), kind="integer", low=1))
    if check_axes(ax) is None:
        ax = plt.subplots(figsize=(10, 4))[1]
    ax.axis("off")
    ax.set_title("An image is read row by row; its last state gives the digit")
    columns = [(0, 1.2), (1, 3.2), (12, 6.0), (13, 8.0), (27, 10.8)]
    for timestep, x in columns:
        ax.imshow(
            image[timestep][None],
            cmap="Greys",
            vmin=-0.12,
            vmax=1,
            extent=(x - 0.85, x + 0.85, -0.5, -0.1),
            aspect="auto",
        )
        ax.text(x, -0.62, f"row {timestep}", ha="center", va="top", color=GREY)
        _arrow(ax, (x, -0.05), (x, 1.0), GREEN)
        _box(ax, x, 1.45, 1.3, 0.9, BLUE, f"h({timestep})")
    for x in (4.6, 9.4):
        ax.text(x, 1.45, "···", ha="center", va="center", color=BLUE, fontsize=16)
    for start, end in ((1.9, 2.5), (3.9, 4.3), (4.9, 5.3), (6.7, 7.3), (8.7, 9.1), (9.7, 10.1)):
        _arrow(ax, (start, 1.45), (end, 1.45), BLUE)
    _box(ax, 10.8, 3.1, 1.9, 0.75, ORANGE, "Dense(10)")
    _arrow(ax, (10.8, 1.95), (10.8, 2.68), ORANGE)
    _arrow(ax, (11.8, 3.1), (12.4, 3.1), ORANGE)
    ax.text(12.5, 3.1, "softmax:\n10 probabilities", va="center", color=ORANGE)
    ax.text(10.65, 2.3, f"kernel {units} × 10", color=ORANGE, va="center", ha="right")
    ax.text(1.3, 0.45, f"kernel 28 × {units}", color=GREEN, va="center")
    ax.text(2.2, 2.12, f"recurrent kernel {units} × {units}", color=BLUE, ha="center")
    ax.text(6.0, 3.15, f"SimpleRNN({units})", ha="center", color=BLUE, fontsize=14, weight="bold")
    ax.text(6.0, 2.8, "one cell, the same weights at every step", ha="center", color=BLUE)
    ax.text(11.6, 1.45, "only the last\nstate is used", va="center", color=GREY)
    ax.text(12.0, -0.3, "28 features each", va="center", color=GREY)
    ax.set(xlim=(0.2, 14.6), ylim=(-1.1, 3.7))
    return ax


def _box(ax: Axes, x: float, y: float, width: float, height: float, color: str, text: str) -> None:
    corner = (x - width / 2, y - height / 2)
    style = "round,pad=0,rounding_size=0.15"
    ax.add_patch(FancyBboxPatch(corner, width, height, boxstyle=style, fc=color, ec="none"))
    ax.text(x, y, text, color="white", ha="center", va="center", weight="bold")


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], color: str) -> None:
    style = "-|>,head_length=4,head_width=2.5"
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle=style, color=color, lw=1.8))


def plot_learning_curves(
    history: Mapping[str, Sequence[float]],
    label: str = "",
    book: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw train and validation accuracy by epoch, the book's own 100 epochs behind them.

    Call it again with the same ``ax`` and ``book=False`` to compare two runs.

    Args:
        history: ``accuracy`` and ``val_accuracy``, one number in [0, 1] an epoch, as
            ``keras.callbacks.History.history`` has them.
        label: what the legend calls this run.
        book: whether to draw the book's test accuracy.

    Example:
        >>> ax = plot_learning_curves({"accuracy": [0.9, 0.95], "val_accuracy": [0.93, 0.96]})
        >>> len(ax.lines)
        3
    """
    if not isinstance(history, Mapping) or not {"accuracy", "val_accuracy"} <= set(history):
        raise TypeError(
            "history: expected a mapping with 'accuracy' and 'val_accuracy', as "
            f"History.history of a fit with validation data, got {_brief(history)}"
        )
    train = check_array(history["accuracy"], "history['accuracy']", (None,), low=0, high=1)
    validation = check_array(
        history["val_accuracy"], "history['val_accuracy']", train.shape, low=0, high=1
    )
    if not isinstance(label, str):
        raise TypeError(f"label: expected a word, got {type(label).__name__}")
    if not isinstance(book, bool):
        raise TypeError(f"book: expected True or False, got {type(book).__name__}")
    if check_axes(ax) is None:
        ax = plt.subplots()[1]
    if book:
        curve = load_book_curve()
        ax.plot(
            curve["epoch"] + 1, curve["test_accuracy"], color="#bbbbbb", lw=1.5, label="book, test"
        )
    epochs = np.arange(1, len(train) + 1)
    prefix = f"{label}, " if label else ""
    (line,) = ax.plot(epochs, validation, marker="o", ms=4, label=f"{prefix}validation")
    ax.plot(epochs, train, color=line.get_color(), ls=":", label=f"{prefix}train")
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter("")
    ax.set_xticks([1, 2, 5, 10, 20, 50, 100])
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set(xlabel="epochs finished (log scale)", ylabel="accuracy")
    ax.grid(True, axis="y")
    ax.legend()
    return ax


def plot_confusion_matrix(
    y_true: np.ndarray, y_predicted: np.ndarray, ax: Axes | None = None
) -> Axes:
    """Draw how often each digit was taken for each; mistakes are coloured, the diagonal is not.

    Args:
        y_true: (n,) integers in 0..9.
        y_predicted: (n,) integers in 0..9.

    Example:
        >>> ax = plot_confusion_matrix([4, 4, 9], [4, 9, 9])
        >>> ax.get_title()
        '1 of 3 digits taken for another'
    """
    y_true = check_labels(y_true, "y_true")
    y_predicted = check_labels(y_predicted, "y_predicted", len(y_true))
    counts = np.zeros((10, 10), dtype=int)
    np.add.at(counts, (y_true, y_predicted), 1)
    mistakes = counts * (1 - np.eye(10, dtype=int))
    if check_axes(ax) is None:
        ax = plt.subplots(figsize=(6, 5.4))[1]
    ax.imshow(mistakes, cmap="Oranges", vmin=0, vmax=max(1, mistakes.max()) * 1.2)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color, weight = (GREY, "normal") if row == column else ("black", "bold")
            ax.text(
                column,
                row,
                str(count),
                ha="center",
                va="center",
                color=color,
                weight=weight,
                size=9,
            )
    ax.set_xticks(range(10))
    ax.set_yticks(range(10))
    ax.set(xlabel="predicted digit", ylabel="true digit")
    ax.set_title(f"{mistakes.sum()} of {len(y_true):,} digits taken for another")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return ax


def plot_digits(
    images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, columns: int = 8
) -> Figure:
    """Draw a grid of digits, each with its prediction and how sure the network was of it.

    Args:
        images: (n, 28, 28), in [0, 1]; n at most 400.
        labels: (n,) integers in 0..9, the truth.
        probabilities: (n, 10), each row sums to one.
        columns: digits in a row of the grid, 1 or more.

    Example:
        >>> figure = plot_digits(np.zeros((1, 28, 28)), [3], np.eye(10)[[8]])
        >>> figure.axes[0].get_title()
        '3 taken for 8\\n100 %'
    """
    images = _check_few(check_images(images))
    labels = check_labels(labels, "labels", len(images))
    probabilities = check_probabilities(probabilities, "probabilities", (len(images), 10))
    columns = int(check_array(columns, "columns", (), kind="integer", low=1))
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.25 * columns, 1.6 * rows), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, label, belief in zip(axes.flat, images, labels, probabilities, strict=False):
        predicted = belief.argmax()
        right = predicted == label
        ax.imshow(image, cmap="Greys", vmin=0, vmax=1)
        name = f"{label}" if right else f"{label} taken for {predicted}"
        ax.set_title(
            f"{name}\n{belief.max():.0%}".replace("%", " %"),
            loc="center",
            size=9,
            weight="normal",
            color=GREEN if right else ORANGE,
        )
    return figure


def plot_confidence(labels: np.ndarray, probabilities: np.ndarray, ax: Axes | None = None) -> Axes:
    """Draw how often the network was right against how sure it was.

    Args:
        labels: (n,) integers in 0..9, the truth.
        probabilities: (n, 10), each row sums to one.

    Example:
        >>> ax = plot_confidence([3, 4], np.eye(10)[[3, 4]])
        >>> ax.get_xlabel()
        'confidence: probability of the predicted digit'
    """
    labels = check_labels(labels)
    probabilities = check_probabilities(probabilities, "probabilities", (len(labels), 10))
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    edges = np.array([0.1, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 1.0])
    bins = np.clip(np.digitize(confidence, edges) - 1, 0, len(edges) - 2)
    if check_axes(ax) is None:
        ax = plt.subplots()[1]
    for i in range(len(edges) - 1):
        inside = bins == i
        if not inside.any():
            continue
        share = right[inside].mean()
        ax.bar(i, share, color=BLUE, width=0.8)
        ax.plot([i - 0.4, i + 0.4], [confidence[inside].mean()] * 2, color=ORANGE, lw=3)
        ax.text(i, 0.03, f"{inside.sum():,}", ha="center", size=9, color="white")
    names = [f"{low:.0%} to {high:.0%}" for low, high in pairwise(edges)]
    ax.set_xticks(
        range(len(names)), [name.replace("%", " %").replace(" to ", "\nto ") for name in names]
    )
    ax.set_yticks(np.arange(0, 1.1, 0.2))
    ax.set(ylim=(0, 1.25), xlim=(-0.6, len(names) - 0.4))
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set(xlabel="confidence: probability of the predicted digit", ylabel="share that was right")
    ax.legend(
        handles=[
            plt.Rectangle((0, 0), 1, 1, color=BLUE, label="right (inside: how many digits)"),
            plt.Line2D([], [], color=ORANGE, lw=3, label="mean confidence"),
        ],
        loc="upper left",
        ncols=2,
    )
    return ax


def plot_belief(belief: np.ndarray, label: int, ax: Axes | None = None) -> Axes:
    """Draw the ten probabilities after each row, time downwards, and the trail of the leading one.

    Args:
        belief: (timesteps, 10), each row sums to one.
        label: the true digit, 0..9; its column is marked.

    Example:
        >>> ax = plot_belief(np.full((28, 10), 0.1), label=3)
        >>> ax.get_xlabel()
        'digit'
    """
    belief = check_probabilities(belief, "belief", (None, 10))
    label = int(check_array(label, "label", (), kind="integer", low=0, high=9))
    if check_axes(ax) is None:
        ax = plt.subplots(figsize=(3.2, 3.8))[1]
    ax.imshow(belief, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    steps = np.arange(-0.5, len(belief))
    trail = np.append(belief.argmax(axis=1), belief[-1].argmax())
    ax.step(trail, steps, where="pre", color=ORANGE, lw=1.2)
    ax.set_xticks(range(10))
    ax.get_xticklabels()[label].set(weight="bold", color=GREEN)
    for side in (label - 0.5, label + 0.5):
        ax.axvline(side, color=GREEN, lw=0.8, clip_on=False)  # the last one stands on the edge
    ax.set_yticks([0, 7, 14, 21, 27] if len(belief) == 28 else [0, len(belief) - 1])
    ax.set(xlabel="digit", ylabel="timestep t", xlim=(-0.5, 9.5), ylim=(len(belief) - 0.5, -0.5))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def plot_beliefs(
    images: np.ndarray, labels: np.ndarray, beliefs: Mapping[str, np.ndarray]
) -> Figure:
    """Draw each digit beside the belief as its rows arrive, row beside row; two digits a line.

    Args:
        images: (n, 28, 28), in [0, 1]; n at most 400.
        labels: (n,) integers in 0..9.
        beliefs: for each network, by name, its probabilities: (n, 28, 10).

    Example:
        >>> belief = np.full((1, 28, 10), 0.1)
        >>> figure = plot_beliefs(np.zeros((1, 28, 28)), [3], {"one": belief, "other": belief})
        >>> [ax.get_title() for ax in figure.axes]
        ['a 3', 'one', 'other']
    """
    images = _check_few(check_images(images))
    labels = check_labels(labels, "labels", len(images))
    if not isinstance(beliefs, Mapping) or not beliefs:
        raise TypeError(f"beliefs: expected a mapping from name to array, got {_brief(beliefs)}")
    beliefs = {
        name: check_probabilities(belief, f"beliefs[{name!r}]", (len(images), 28, 10))
        for name, belief in beliefs.items()
    }
    across = min(2, len(images))
    lines = -(-len(images) // across)
    figure = plt.figure(figsize=(across * (2.0 + 1.7 * len(beliefs)), 2.75 * lines))
    blocks = figure.subfigures(lines, across, squeeze=False)
    for i, (block, image, label) in enumerate(zip(blocks.flat, images, labels, strict=False)):
        axes = block.subplots(
            1, 1 + len(beliefs), sharey=True, width_ratios=[1.25] + [1] * len(beliefs)
        )
        axes[0].imshow(image, cmap="Greys", vmin=0, vmax=1, aspect="auto")
        axes[0].set(xticks=[], yticks=[0, 7, 14, 21, 27], ylabel="timestep t")
        axes[0].set_title(f"a {label}")
        axes[0].spines[:].set_visible(False)
        for ax, (name, belief) in zip(axes[1:], beliefs.items(), strict=True):
            plot_belief(belief[i], label, ax=ax)
            ax.set_ylabel("")
            ax.set_title(name, size=10, weight="normal")
            ax.tick_params(labelsize=8)
    return figure


def check_axes(ax) -> Axes | None:
    """Return ``ax`` if it is None or matplotlib Axes."""
    if ax is not None and not isinstance(ax, Axes):
        raise TypeError(f"ax: expected matplotlib Axes, got {type(ax).__name__}")
    return ax


def check_probabilities(array, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
    array = check_array(array, name, shape, low=0, high=1.0001)  # float32 sums stray by 1e-7
    sums = array.sum(axis=-1)
    if not np.allclose(sums, 1, atol=1e-3):
        worst = sums.flat[np.abs(sums - 1).argmax()]
        raise ValueError(
            f"{name}: expected probabilities that sum to one over the ten digits, got a sum of "
            f"{worst:.3g}; did softmax run twice, or not at all?"
        )
    return array


def _check_few(images: np.ndarray) -> np.ndarray:
    """Return ``images`` if they are few enough to be drawn, each on Axes of its own."""
    if len(images) > MOST_DRAWN:
        raise ValueError(f"images: expected at most {MOST_DRAWN} to draw, got {len(images)}")
    return images


def _brief(value) -> str:
    return (
        f"{type(value).__name__} {list(value)[:5]}"
        if isinstance(value, Mapping)
        else type(value).__name__
    )
