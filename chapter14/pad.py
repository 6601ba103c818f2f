"""A pad to draw digits on, prepared as MNIST's makers prepared theirs."""

import io
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from chapter14.plots import check_probabilities, plot_belief

FAINT = 0.002  # less ink than half a grey level does not count


def prepare(drawing) -> np.ndarray:
    """Return a drawing as an image like MNIST's.

    As its makers did it (LeCun, Cortes and Burges, "The MNIST database of handwritten digits"): the
    ink is cropped, its longer side is fitted into 20 pixels with the aspect ratio kept and edges
    antialiased, and its centre of mass is put at the centre of 28 x 28, to the nearest pixel and as
    far as the frame allows. Pixel 14 is that centre, counted from 0: so it is in MNIST, whose
    own images come out as they went in. The darkest ink becomes 1.

    Args:
        drawing: uint8, shape (height, width), (height, width, 3) or (height, width, 4), or a PIL
            image of 8 bits a channel. Dark on light or light on dark: the border tells which.
            Transparent is white.

    Returns:
        float32 in [0, 1], shape (28, 28), ink is 1. All zero for an empty canvas.

    Raises:
        TypeError: ``drawing`` is not uint8.
        ValueError: another shape.

    Example:
        >>> canvas = np.full((280, 280), 255, np.uint8)
        >>> canvas[40:90, 30:40] = 0
        >>> image = prepare(canvas)
        >>> image.shape, int((image > 0.5).any(axis=1).sum())
        ((28, 28), 20)
    """
    ink = _ink(drawing)
    if not ink.any():
        return np.zeros((28, 28), np.float32)
    rows, columns = (np.flatnonzero((ink > FAINT).any(axis=axis)) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = 20 / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    small = np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BILINEAR))
    small = small / small.max()
    top, left = (
        int(np.clip(round(14 - _centre_of_mass(small, axis)), 0, 28 - small.shape[axis]))
        for axis in (0, 1)
    )
    image = np.zeros((28, 28), np.float32)
    image[top : top + height, left : left + width] = small
    return image


def _ink(drawing) -> np.ndarray:
    """Return how much ink is on each pixel, 0 to 1, float32; all zero if there is hardly any."""
    if isinstance(drawing, Image.Image) and drawing.mode[0] not in "IF":  # these have more bits
        drawing = drawing.convert("RGBA")
    try:
        drawing = np.asarray(drawing)
    except ValueError:
        raise TypeError("drawing: expected uint8, got ragged rows") from None
    if drawing.dtype != np.uint8:
        raise TypeError(f"drawing: expected uint8, got {drawing.dtype}")
    if (
        drawing.ndim not in (2, 3)
        or 0 in drawing.shape
        or drawing.shape[2:] not in ((), (3,), (4,))
    ):
        expected = "(height, width), (height, width, 3) or (height, width, 4)"
        raise ValueError(f"drawing: expected shape {expected}, got {drawing.shape}")
    light = drawing.astype(np.float32) / 255
    if light.shape[2:] == (4,):
        light = light[..., :3] * light[..., 3:] + 1 - light[..., 3:]
    if light.ndim == 3:
        light = light.mean(axis=2)
    border = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])
    ink = np.abs(light - np.median(border))
    return ink / ink.max() if ink.max() > 0.1 else np.zeros_like(ink)


def _centre_of_mass(image: np.ndarray, axis: int) -> float:
    along = image.sum(axis=1 - axis)
    return float((along * np.arange(len(along))).sum() / along.sum())


def digit_pad(believe: Callable[[np.ndarray], np.ndarray]):
    """Return a widget to draw on; beside it, after each stroke, what the network makes of it.

    Args:
        believe: takes images, float32 of shape (1, 28, 28), and returns the probabilities of the
            ten digits after each row, shape (1, 28, 10): a Keras model, for example.

    Returns:
        an ``ipywidgets.HBox`` of the canvas, ``wigglystuff.Paint``, and beside it the three best
        answers above the picture of ``plot_drawing``.

    Raises:
        TypeError, ValueError: ``believe`` is no function, or what it says of an empty image is
            not of that shape, or no probabilities.

    Example:
        >>> pad = digit_pad(lambda images: np.full((1, 28, 10), 0.1))
        >>> [type(child).__name__ for child in pad.children]
        ['Paint', 'VBox']
    """
    import ipywidgets
    from wigglystuff import Paint

    _believe(believe, np.zeros((28, 28), np.float32))  # compiles it, and a mistake shows now
    canvas = Paint(width=280, height=280, brush=False, color_picker=False)
    answers = ipywidgets.Label()
    picture = ipywidgets.Image(format="png")

    def show(_):
        drawing = np.asarray(canvas.get_pil())
        figure = plot_drawing(drawing, believe)
        file = io.BytesIO()
        FigureCanvasAgg(figure).print_png(file)  # savefig would draw it twice, to crop it
        plt.close(figure)
        answers.value = figure.get_label()
        picture.value = file.getvalue()

    canvas.observe(show, "base64")
    show(None)
    return ipywidgets.HBox([canvas, ipywidgets.VBox([answers, picture])])


def plot_drawing(drawing, believe: Callable[[np.ndarray], np.ndarray]):
    """Draw a drawing as the network sees it, its belief row by row, and its answer.

    Args:
        drawing: as for ``prepare``.
        believe: as for ``digit_pad``.

    Returns:
        a figure, whose label names the three best answers.

    Example:
        >>> figure = plot_drawing(np.zeros((9, 9), np.uint8), lambda _: np.full((1, 28, 10), 0.1))
        >>> figure.axes[0].get_title()
        'draw a digit'
        >>> plt.close(figure)
    """
    _check_callable(believe)
    image = prepare(drawing)
    if image.any():
        belief = _believe(believe, image)
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.6, 3.6), layout="none", sharey=True)
    figure.subplots_adjust(left=0.06, right=0.98, bottom=0.14, top=0.88, wspace=0.05)
    left.imshow(image, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    left.set(xticks=[], yticks=[0, 7, 14, 21, 27], ylabel="row")
    if not image.any():
        left.set_title("draw a digit")
        right.axis("off")
        figure.set_label("nothing drawn yet")
        return figure
    best = [int(digit) for digit in belief[-1].argsort()[::-1][:3]]
    chances = [f"{digit}: {belief[-1, digit]:.0%}".replace("%", " %") for digit in best]
    plot_belief(belief, best[0], ax=right)
    right.set(ylabel="", title=f"It reads a {best[0]}")
    left.set_title("what the network sees")
    figure.set_label(", ".join(chances))
    return figure


def _believe(believe, image: np.ndarray) -> np.ndarray:
    _check_callable(believe)
    return check_probabilities(believe(image[None]), "believe", (1, 28, 10))[0]


def _check_callable(believe) -> None:
    if not callable(believe):
        wanted = "a model, or a function of images"
        raise TypeError(f"believe: expected {wanted}, got {type(believe).__name__}")
