"""Drawings by hand: prepared like MNIST's digits, and a pad to draw them on."""

import io
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from chapter14.plots import check_probabilities, plot_probabilities

FAINT = 0.002  # less ink than half a gray level doesn't count


def to_mnist(drawing) -> np.ndarray:
    """Return a drawing as an image like MNIST's.

    As MNIST's makers did it (LeCun, Cortes, and Burges, "The MNIST database of handwritten
    digits"): the ink is cropped, its longer side is scaled to 20 pixels with the aspect ratio kept
    and edges antialiased, and its center of mass is moved to pixel (14, 14), counted from 0, to the
    nearest pixel and as far as the frame allows. The darkest ink becomes 1.

    Args:
        drawing: uint8, shape (height, width), (height, width, 3), or (height, width, 4), or a PIL
            image of 8 bits per channel. Dark on light or light on dark: the border tells which.
            Where the border is transparent, what isn't transparent is ink. A photo is turned as
            its EXIF orientation says.

    Returns:
        float32 in [0, 1], shape (28, 28), ink is 1. All zero for an empty canvas.

    Raises:
        TypeError: ``drawing`` isn't uint8.

    Example:
        >>> canvas = np.full((280, 280), 255, np.uint8)
        >>> canvas[40:90, 30:40] = 0
        >>> image = to_mnist(canvas)
        >>> image.shape, int((image > 0.5).any(axis=1).sum())
        ((28, 28), 20)
    """
    ink = _ink(drawing)
    image = np.zeros((28, 28), np.float32)
    if not ink.any():
        return image
    rows = np.flatnonzero((ink > FAINT).any(axis=1))
    columns = np.flatnonzero((ink > FAINT).any(axis=0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = 20 / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    small = np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BILINEAR))
    top = _start(small.sum(axis=1))
    left = _start(small.sum(axis=0))
    image[top : top + height, left : left + width] = small / small.max()
    return image


def _ink(drawing) -> np.ndarray:
    """Return how much ink is on each pixel, float32 in [0, 1]; all zero if there's hardly any."""
    if not isinstance(drawing, Image.Image):
        drawing = np.asarray(drawing)
        if drawing.dtype != np.uint8:
            raise TypeError(f"drawing: expected uint8 in 0..255, got {drawing.dtype}")
        drawing = Image.fromarray(drawing)
    drawing = ImageOps.exif_transpose(drawing).convert("RGBA")
    ink = np.asarray(drawing.getchannel("A"), np.float32) / 255
    if _border(ink) > 0:  # there's paper: ink is what differs from it
        paper = Image.new("RGBA", drawing.size, "white")
        light = np.asarray(Image.alpha_composite(paper, drawing).convert("L"), np.float32) / 255
        ink = np.abs(light - _border(light))
    return ink if ink.max() > 0.1 else np.zeros_like(ink)


def _border(values: np.ndarray) -> float:
    """Return the median along the four sides."""
    return np.median(np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]]))


def _start(ink_along_axis: np.ndarray) -> int:
    """Return where a crop starts in 28 pixels so that its center of mass is at pixel 14."""
    center_of_mass = np.average(np.arange(len(ink_along_axis)), weights=ink_along_axis)
    return int(np.clip(round(14 - center_of_mass), 0, 28 - len(ink_along_axis)))


def plot_drawing(drawing, predict: Callable[[np.ndarray], np.ndarray]) -> Figure:
    """Draw a drawing as the network sees it, the predicted probabilities row by row, the answer.

    Args:
        drawing: as for ``to_mnist``.
        predict: takes images, float32 of shape (1, 28, 28), and returns the probabilities of the
            ten digits after each row, shape (1, 28, 10): a Keras model, for example.

    Returns:
        a figure, whose label names the three best answers.

    Example:
        >>> figure = plot_drawing(np.zeros((9, 9), np.uint8), lambda _: np.full((1, 28, 10), 0.1))
        >>> figure.axes[0].get_title()
        'draw a digit'
        >>> plt.close(figure)
    """
    image = to_mnist(drawing)
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.6, 3.6), layout="none", sharey=True)
    figure.subplots_adjust(left=0.06, right=0.98, bottom=0.14, top=0.88, wspace=0.05)
    left.imshow(image, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    left.set(xticks=[], yticks=[0, 7, 14, 21, 27], ylabel="row", title="what the network sees")
    if not image.any():
        left.set_title("draw a digit")
        right.axis("off")
        figure.set_label("nothing drawn yet")
        return figure
    probabilities = np.asarray(predict(image[None]))[0]
    best = probabilities[-1].argsort()[::-1][:3]
    plot_probabilities(probabilities, ax=right)
    right.set(ylabel="", title=f"It reads a {best[0]}")
    figure.set_label(", ".join(f"{digit}: {probabilities[-1, digit]:.0%}" for digit in best))
    return figure


def drawing_pad(predict: Callable[[np.ndarray], np.ndarray]):
    """Return a widget to draw on, with what the network reads beside it after each stroke.

    Args:
        predict: as for ``plot_drawing``.

    Returns:
        an ``ipywidgets.HBox`` of the canvas, ``wigglystuff.Paint``, and beside it the three best
        answers above the picture of ``plot_drawing``.

    Raises:
        ValueError: ``predict`` doesn't return probabilities after each row.

    Example:
        >>> pad = drawing_pad(lambda images: np.full((1, 28, 10), 0.1))
        >>> [type(child).__name__ for child in pad.children]
        ['Paint', 'VBox']
    """
    import ipywidgets
    from wigglystuff import Paint

    # A wrong model shows now, not silently at the first stroke; and it's compiled by then.
    probabilities = np.asarray(predict(np.zeros((1, 28, 28), np.float32)))
    if probabilities.shape != (1, 28, 10):
        raise ValueError(
            "predict: expected the probabilities after each row, shape (1, 28, 10), got "
            f"{probabilities.shape}"
        )
    check_probabilities(probabilities)
    canvas = Paint(width=280, height=280, brush=False, color_picker=False)
    answers = ipywidgets.Label()
    picture = ipywidgets.Image(format="png")

    def show(_):
        figure = plot_drawing(canvas.get_pil(), predict)
        file = io.BytesIO()
        FigureCanvasAgg(figure).print_png(file)  # savefig would draw it twice, to crop it
        plt.close(figure)
        answers.value = figure.get_label()
        picture.value = file.getvalue()

    canvas.observe(show, "base64")
    show(None)
    return ipywidgets.HBox([canvas, ipywidgets.VBox([answers, picture])])
