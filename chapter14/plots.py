"""The figures of the notebooks. One panel draws on ``ax`` and returns it; a grid is a figure.

Images are (28, 28) in [0, 1], labels are integers in 0..9, and probabilities have a last axis of
ten. A ValueError is raised for an image of another shape, for arrays of unequal lengths, and for
probabilities that don't sum to one.
"""

from collections.abc import Mapping, Sequence
from math import ceil

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.ticker import PercentFormatter, ScalarFormatter

BLUE, ORANGE, GREEN, GRAY = "#0072B2", "#D55E00", "#009E73", "#888888"
ROWS = [0, 7, 14, 21, 27]  # where an axis of 28 rows or pixels has its ticks
SOFTMAX_TWICE = np.e / (np.e + 9)  # the softmax of ten probabilities is never larger: 0.23
STRIP = {"cmap": "Greys", "vmin": -0.12, "vmax": 1}  # an empty row is light gray, so it's seen


def plot_rows(image: np.ndarray, timestep: int = 27, ax: Axes | None = None) -> Axes:
    """Draw an image as the sequence of its rows. Those after ``timestep`` (0..27) are pale.

    >>> plot_rows(np.eye(28), timestep=9).get_ylabel()
    'timestep t (one row each)'
    """
    _check_image(image)
    ax = ax or plt.subplots(figsize=(3.6, 3.8))[1]
    alpha = np.where(np.arange(28) <= timestep, 1, 0.18)
    ax.imshow(image, alpha=np.tile(alpha[:, None], 28), **STRIP)
    ax.hlines(np.arange(0.5, 27), -0.5, 27.5, color="white", lw=2)
    ax.set(xlabel="feature (one pixel each)", ylabel="timestep t (one row each)")
    ax.set(xticks=ROWS, yticks=ROWS)
    ax.spines[:].set_visible(False)
    return ax


def plot_architecture(image: np.ndarray, units: int = 150, ax: Axes | None = None) -> Axes:
    """Draw the sequence classifier, unrolled, with five rows of ``image`` as its inputs.

    The rows enter at the bottom, the last of the ``units``-dimensional states gives the digit.

    >>> ax = plot_architecture(np.eye(28))
    >>> "SimpleRNN(150)" in [text.get_text() for text in ax.texts]
    True
    """
    _check_image(image)
    ax = ax or plt.subplots(figsize=(10, 4))[1]
    ax.axis("off")
    ax.set_title("An image is read row by row; its last state gives the digit")
    for timestep, x in [(0, 1.2), (1, 3.2), (12, 6.0), (13, 8.0), (27, 10.8)]:
        place = (x - 0.85, x + 0.85, -0.5, -0.1)
        ax.imshow(image[timestep][None], extent=place, aspect="auto", **STRIP)
        ax.text(x, -0.62, f"row {timestep}", ha="center", va="top", color=GRAY)
        _arrow(ax, (x, -0.05), (x, 1.0), GREEN)
        _box(ax, x, 1.45, 1.3, 0.9, BLUE, f"h({timestep})")
    for x in (4.6, 9.4):
        ax.text(x, 1.45, "···", ha="center", va="center", color=BLUE, fontsize=16)
    for start, end in [(1.9, 2.5), (3.9, 4.3), (4.9, 5.3), (6.7, 7.3), (8.7, 9.1), (9.7, 10.1)]:
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
    ax.text(11.6, 1.45, "only the last\nstate is used", va="center", color=GRAY)
    ax.text(12.0, -0.3, "28 features each", va="center", color=GRAY)
    ax.set(xlim=(0.2, 14.6), ylim=(-1.1, 3.7))
    return ax


def _box(ax, x, y, width, height, color, text):
    style = {"boxstyle": "round,pad=0,rounding_size=0.15", "facecolor": color, "edgecolor": "none"}
    ax.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, **style))
    ax.text(x, y, text, color="white", ha="center", va="center", weight="bold")


def _arrow(ax, start, end, color):
    style = "-|>,head_length=4,head_width=2.5"
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle=style, color=color, lw=1.8))


def plot_learning_curves(
    history: Mapping[str, Sequence[float]],
    label: str = "",
    book: np.ndarray | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw training and validation accuracy by epoch. Call it again on ``ax`` to compare runs.

    ``history`` is that of ``keras.callbacks.History``, and ``label`` its name in the legend.
    ``book`` has the book's test accuracy after each of its epochs, drawn in gray; without it the
    x axis ends with the run.

    >>> ax = plot_learning_curves({"accuracy": [0.9, 0.95], "val_accuracy": [0.93, 0.96]})
    >>> [line.get_label() for line in ax.lines]
    ['validation', 'train']
    """
    ax = ax or plt.subplots()[1]
    ax.set_xscale("log")
    ax.set_xticks([1, 2, 5, 10, 20, 50, 100])  # before the data, which then set the limits
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter("")
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    if book is not None:
        ax.plot(range(1, len(book) + 1), book, color="#bbbbbb", lw=1.5, label="book, test")
    train, validation = history["accuracy"], history["val_accuracy"]
    epochs = range(1, len(train) + 1)
    prefix = f"{label}, " if label else ""
    (line,) = ax.plot(epochs, validation, marker="o", ms=4, label=f"{prefix}validation")
    ax.plot(epochs, train, color=line.get_color(), ls=":", label=f"{prefix}train")
    ax.set(xlabel="epochs finished (log scale)", ylabel="accuracy")
    ax.grid(True, axis="y")
    ax.legend()
    return ax


def plot_confusion_matrix(
    y_true: np.ndarray, y_predicted: np.ndarray, ax: Axes | None = None
) -> Axes:
    """Draw how often each digit was taken for each. Mistakes are colored, the diagonal is not.

    >>> plot_confusion_matrix([4, 4, 9], [4, 9, 9]).get_title()
    '1 of 3 digits taken for another'
    """
    _check_lengths(y_true=y_true, y_predicted=y_predicted)
    counts = np.zeros((10, 10), dtype=int)
    np.add.at(counts, (y_true, y_predicted), 1)
    mistakes = counts * (1 - np.eye(10, dtype=int))
    ax = ax or plt.subplots(figsize=(6, 5.4))[1]
    # even the darkest square is light enough for a black number
    ax.imshow(mistakes, cmap="Oranges", vmin=0, vmax=mistakes.max() * 1.2)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            style = {"color": GRAY} if row == column else {"color": "black", "weight": "bold"}
            ax.text(column, row, f"{count}", ha="center", va="center", size=9, **style)
    ax.set(xticks=range(10), yticks=range(10), xlabel="predicted digit", ylabel="true digit")
    ax.set_title(f"{mistakes.sum()} of {len(y_true):,} digits taken for another")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return ax


def plot_digits(
    images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, columns: int = 8
) -> Figure:
    """Draw n images in ``columns``, each with its predicted digit and the probability of that.

    The title is green where the prediction is right, orange where it's wrong.

    >>> plot_digits(np.zeros((1, 28, 28)), [3], np.eye(10)[[8]]).axes[0].get_title()
    '3 taken for 8\\n100%'
    """
    _check_lengths(images=images, labels=labels, probabilities=probabilities)
    check_probabilities(probabilities)
    columns = min(columns, len(images))
    rows = ceil(len(images) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.25 * columns, 1.6 * rows), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, label, output in zip(axes.flat, images, labels, probabilities, strict=False):
        predicted = output.argmax()
        right = predicted == label
        answer = f"{label}" if right else f"{label} taken for {predicted}"
        style = {"color": GREEN if right else ORANGE, "size": 9, "weight": "normal"}
        ax.imshow(image, cmap="Greys", vmin=0, vmax=1)
        ax.set_title(f"{answer}\n{output.max():.0%}", loc="center", **style)
    figure.set_label(
        f"{len(images)} digits, each with its label, the predicted digit, and its probability."
    )
    return figure


def plot_reliability(
    labels: np.ndarray, probabilities: Mapping[str, np.ndarray], ax: Axes | None = None
) -> Axes:
    """Draw a reliability diagram on log scales: the share of wrong answers by mean doubt.

    ``probabilities`` maps the name of each network to its n predictions, shape (n, 10). Doubt is
    1 - confidence. The predictions, sorted by doubt, are cut into 20 bins of equal counts, each
    with its 95% interval (Wilson's). A bin without a wrong answer has a triangle at the upper end
    of its interval. A calibrated network is on the dashed line.
    A ValueError says if softmax seems to have run twice, which caps every confidence at 0.232.

    >>> one = np.full((2, 10), 0.02) + 0.8 * np.eye(10)[[3, 4]]
    >>> plot_reliability([3, 4], {"one": one}).get_xlabel()
    'doubt: 1 - confidence (log scale)'
    """
    _check_lengths(labels=labels, **probabilities)
    for outputs in probabilities.values():
        check_probabilities(outputs)
        _check_softmax_once(labels, outputs)
    ax = ax or plt.subplots()[1]
    ax.plot([1e-7, 1], [1e-7, 1], color=GRAY, ls="--", lw=1, label="calibrated")
    smallest = 1.0
    for (name, outputs), color in zip(probabilities.items(), [BLUE, ORANGE, GREEN], strict=False):
        # the sum of the others: 1 - confidence in float32 is zero or a rounding error
        doubt = np.sort(np.asarray(outputs, np.float64), axis=1)[:, :-1].sum(axis=1)
        wrong = np.argmax(outputs, axis=1) != labels
        bins = np.array_split(doubt.argsort(), min(20, len(doubt)))
        x = np.array([doubt[inside].mean() for inside in bins])
        smallest = min(smallest, x[x > 0].min())
        share = np.array([wrong[inside].mean() for inside in bins])
        low, high = _wilson(share, np.array([len(inside) for inside in bins]))
        some = share > 0
        ax.errorbar(
            x[some],
            share[some],
            [share[some] - low[some], high[some] - share[some]],
            color=color,
            fmt="o",
            ms=5,
            lw=1.5,
            label=name,
        )
        ax.plot(x[~some], high[~some], color=color, marker="v", ls="", mfc="white", ms=5)
    ax.set(xscale="log", yscale="log", xlim=(min(1e-7, smallest / 2), 1), ylim=(1e-4, 1.2))
    ax.set(xlabel="doubt: 1 - confidence (log scale)", ylabel="share of wrong answers (log scale)")
    ax.legend(loc="upper left")
    return ax


def _check_softmax_once(labels, outputs):
    confidence, right = np.max(outputs, axis=1), np.argmax(outputs, axis=1) == labels
    if right.mean() > 0.5 and confidence.max() <= SOFTMAX_TWICE:
        raise ValueError(
            f"probabilities: right for {right.mean():.0%}, and yet none above "
            f"{confidence.max():.3g}; did softmax run twice?"
        )


def _wilson(share, n, z=1.96):
    """Return the ends of Wilson's 95% interval of a share among n."""
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return middle - half, middle + half


def plot_probabilities(
    probabilities: np.ndarray, label: int | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the probabilities after each timestep, (timesteps, 10), time downward.

    An orange line follows the most probable digit. Green marks ``label``, the true one; if that
    isn't known, None, nothing is marked.

    >>> plot_probabilities(np.full((28, 10), 0.1), label=3).get_xlabel()
    'digit'
    """
    check_probabilities(probabilities)
    ax = ax or plt.subplots(figsize=(3.2, 3.8))[1]
    shown = np.asarray(probabilities, np.float64)  # matplotlib doesn't know bfloat16
    ax.imshow(shown, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    timesteps = len(probabilities)
    leader = np.argmax(probabilities, axis=1)
    edges = np.arange(timesteps + 1) - 0.5
    ax.step(np.append(leader, leader[-1]), edges, where="pre", color=ORANGE, lw=1.2)
    ax.set(xticks=range(10), yticks=ROWS if timesteps == 28 else [0, timesteps - 1])
    if label is not None:
        ax.get_xticklabels()[label].set(weight="bold", color=GREEN)
        for side in (label - 0.5, label + 0.5):
            ax.axvline(side, color=GREEN, lw=0.8, clip_on=False)  # right of 9 is the edge
    ax.set(xlabel="digit", ylabel="timestep t", xlim=(-0.5, 9.5), ylim=(timesteps - 0.5, -0.5))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def plot_probability_grid(
    images: np.ndarray, labels: np.ndarray, probabilities: Mapping[str, np.ndarray]
) -> Figure:
    """Draw n images, two per line, each beside the probabilities after each of its rows.

    ``probabilities`` maps the name of each network to an array of shape (n, 28, 10).

    >>> one = np.full((1, 28, 10), 0.1)
    >>> figure = plot_probability_grid(np.zeros((1, 28, 28)), [3], {"one": one, "other": one})
    >>> [ax.get_title() for ax in figure.axes]
    ['a 3', 'one', 'other']
    """
    _check_lengths(images=images, labels=labels, **probabilities)
    networks = len(probabilities)
    across = min(2, len(images))
    lines = ceil(len(images) / across)
    figure = plt.figure(figsize=(across * (2.0 + 1.7 * networks), 2.75 * lines))
    blocks = figure.subfigures(lines, across, squeeze=False)
    for i, (block, image, label) in enumerate(zip(blocks.flat, images, labels, strict=False)):
        widths = [1.6] + [1] * networks  # the digit is square, the panels are 1.6 times as high
        digit, *panels = block.subplots(1, 1 + networks, sharey=True, width_ratios=widths)
        digit.imshow(image, cmap="Greys", vmin=0, vmax=1)
        digit.set(title=f"a {label}", xticks=[], yticks=ROWS, ylabel="timestep t")
        digit.spines[:].set_visible(False)
        for ax, (name, outputs) in zip(panels, probabilities.items(), strict=True):
            plot_probabilities(outputs[i], label, ax=ax)
            ax.set_box_aspect(1.6)
            ax.set_ylabel("")
            ax.set_title(name, size=10, weight="normal")
            ax.tick_params(labelsize=8)
    figure.set_label(
        f"{', '.join(map(str, labels))}: each digit beside the predicted probabilities after each "
        f"row, {' and '.join(probabilities)}. A line follows the digit that leads."
    )
    return figure


def _check_image(image):
    if np.shape(image) != (28, 28):
        raise ValueError(f"image: expected shape (28, 28), got {np.shape(image)}")


def _check_lengths(**arrays):
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"expected arrays of equal lengths, got {lengths}")


def check_probabilities(probabilities: np.ndarray) -> None:
    """Raise a ValueError unless the last axis sums to one."""
    sums = np.sum(probabilities, axis=-1, dtype=np.float64)
    if not np.allclose(sums, 1, atol=0.03):  # bfloat16 rounds each of the ten by up to 0.002
        raise ValueError(
            "probabilities: expected rows that sum to one, got sums from "
            f"{sums.min():.3g} to {sums.max():.3g}; is the softmax missing?"
        )
