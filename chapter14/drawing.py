"""Drawings by hand: prepared like MNIST's digits, and a pad to draw them on."""

import io
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageFilter, ImageOps

from chapter14.plots import check_probabilities, plot_probabilities

FAINT = 0.002  # less ink than half a gray level doesn't count
WORKING_SIZE = 480  # a larger picture is scaled down: at most this many pixels along a side


def to_mnist(drawing) -> np.ndarray:
    """Return a drawing as an image like MNIST's.

    As MNIST's makers did it (LeCun, Cortes, and Burges, "The MNIST database of handwritten
    digits"): the ink is cropped, its longer side is scaled to 20 pixels with the aspect ratio kept
    and edges antialiased, and its center of mass is moved to pixel (14, 14), counted from 0, to the
    nearest pixel and as far as the frame allows. The darkest ink becomes 1.

    A clean drawing keeps all its ink except specks. In a photo, in a scan, or on ruled paper, the
    paper is removed first: uneven light, ruled lines, dark edges, and noise. Only the heaviest
    stroke and the strokes that almost touch it are kept.

    What can't be read:

    - ink that's about as pale as the lines that it's written on
    - a digit that touches something as dark, or strokes with wide gaps between them on such paper
    - a sheet that covers only a part of the photo, or is seen at an angle
    - a digit smaller than about 1% of a photo's longer side
    - a few digits in a hundred below 12 pixels, which are too few to tell them apart

    A blank sheet isn't empty if a dark edge or a sharp shadow crosses it, because that may be ink.

    Args:
        drawing: uint8, shape (height, width), (height, width, 3), or (height, width, 4), or a PIL
            image of 8 bits per channel or 16 bits of gray. Dark on light, light on dark, or any two
            colors: the border tells which is the paper. Where the border is transparent, what isn't
            transparent is ink. A photo is turned as its EXIF orientation says.

    Returns:
        float32 in [0, 1], shape (28, 28), ink is 1. All zero for an empty canvas or blank paper,
        plain or ruled.

    Raises:
        TypeError: ``drawing`` isn't uint8, or it's a PIL image of floats.

    Example:
        >>> canvas = np.full((280, 280), 255, np.uint8)
        >>> canvas[40:90, 30:40] = 0
        >>> image = to_mnist(canvas)
        >>> image.shape, int((image > 0.5).any(axis=1).sum())
        ((28, 28), 20)
    """
    ink = _find_ink(_open(drawing))
    image = np.zeros((28, 28), np.float32)
    if not ink.any():
        return image
    left, top, right, bottom = _box(ink > FAINT)
    ink = ink[top:bottom, left:right]
    scale = 20 / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    small = np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BILINEAR))
    top = _start(small.sum(axis=1))
    left = _start(small.sum(axis=0))
    image[top : top + height, left : left + width] = small / small.max()
    return image


def _open(drawing) -> Image.Image:
    """Return a drawing upright and in RGB, without transparency."""
    if not isinstance(drawing, Image.Image):
        drawing = np.asarray(drawing)
        if drawing.dtype != np.uint8:
            raise TypeError(f"drawing: expected uint8 in 0..255, got {drawing.dtype}")
        drawing = Image.fromarray(drawing)
    if drawing.mode == "F":
        raise TypeError("drawing: expected a PIL image of 8 or 16 bits per channel, got floats")
    drawing = ImageOps.exif_transpose(drawing)
    if drawing.mode.startswith("I"):  # 16 bits, which `convert` would clip
        drawing = Image.fromarray((np.asarray(drawing) // 256).astype(np.uint8))
    drawing = drawing.convert("RGBA")
    alpha = drawing.getchannel("A")
    if np.median(_border(np.asarray(alpha))) == 0:
        return ImageOps.invert(alpha).convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", drawing.size, "white"), drawing).convert("RGB")


def _find_ink(picture: Image.Image) -> np.ndarray:
    """Return how much ink is on each pixel, float32 in [0, 1], around the digit; zeros if blank."""
    scale = -(-max(picture.size) // WORKING_SIZE)
    light = np.asarray(picture.reduce(scale), np.float32) / 255
    ink = _ink(light, visible=0.1 / scale)  # a hairline pales when it's scaled down
    if scale > 1 and ink.any():
        box = _box(ink > FAINT)
        size = max(box[2:] - box[:2])
        if size < WORKING_SIZE / 7:  # look closer, with as much paper on each side
            box = np.clip(box + np.array([-size, -size, size, size]), 0, None) * scale
            return _find_ink(picture.crop(np.minimum(box, picture.size * 2).tolist()))
    return ink


def _ink(light: np.ndarray, visible: float) -> np.ndarray:
    """Return the ink of a picture, shape (height, width, 3) in [0, 1]; zeros if it's blank."""
    frame = _border(light, 1 + min(light.shape[:2]) // 64)  # wider than a line along the border
    ink = _root_mean_square(light - np.median(frame, axis=0))
    if ink.max() < visible:
        return np.zeros_like(ink)
    if min(ink.shape) < 32:  # too small to tell paper from ink
        return _without_specks(ink)
    flat = np.mean(_border(ink) <= FAINT) > 1 / 3  # paper of one color, as no camera sees it
    if not flat:
        ink = _ink_in_uneven_light(light)
    noise = 0 if flat else np.median(ink)
    lines = _lines(ink, max(0.02, 2.5 * noise))
    pale = (ink > FAINT) & ~_widen(ink > ink.max() / 2, max(ink.shape) // 16)
    if flat and not lines.any() and not _border(pale).any():
        return _without_specks(ink)
    ink = np.maximum(ink - lines, 0) / np.maximum(1 - lines, 0.5)
    return _heaviest(ink, noise)


def _heaviest(ink: np.ndarray, noise: float) -> np.ndarray:
    """Return the ink of the heaviest stroke and of those that almost touch it."""
    smooth = np.asarray(_as_image(ink).filter(ImageFilter.BoxBlur(1)), np.float32) / 255
    threshold = max(0.45 * smooth.max(), 6 * noise, 0.15)
    parts = _parts(smooth > threshold)
    dark = (parts > 0) & ~_along_a_side(parts, 0.4)[parts]
    parts = _parts(_widen(dark, 1 + max(ink.shape) // 80))
    weight = np.bincount(parts.ravel(), (ink * dark).ravel())
    weight[_border(parts)] *= 0.1  # rather a dark corner than the digit
    digit = _widen(dark & (parts == weight.argmax()), 2)
    return np.where(digit, np.maximum(ink - threshold / 2, 0), 0).astype(np.float32)


def _without_specks(ink: np.ndarray) -> np.ndarray:
    """Return ink without specks, and without a dark edge if there's a drawing beside it."""
    parts = _parts(ink > FAINT)
    weight = np.bincount(parts.ravel(), (ink * (parts > 0)).ravel())
    drop = weight < 0.01 * weight.max()
    edge = _along_a_side(parts, 0.9)
    if not (drop | edge).all():
        drop |= edge
    return np.where(drop[parts], 0, ink)


def _ink_in_uneven_light(light: np.ndarray) -> np.ndarray:
    """Return how much each pixel differs from the paper around it, relative to that paper."""
    height, width, _ = light.shape
    small = ImageOps.crop(_as_image(light), min(light.shape[:2]) // 16)  # without a dark edge
    small = small.reduce(1 + max(light.shape) // 80)
    detail = np.asarray(small, float) - np.asarray(small.filter(ImageFilter.GaussianBlur(10)))
    light = np.where((detail**3).mean(axis=(0, 1)) > 0, 1 - light, light)  # dark ink
    small = _as_image(light).reduce(1 + max(light.shape) // 60)
    size = max(small.size) // 4 | 1  # wider than a stroke, narrower than a shadow
    around = ((size, size), (size, size), (0, 0))
    wide = Image.fromarray(np.pad(np.asarray(small), around, mode="edge"))
    wide = wide.filter(ImageFilter.MaxFilter(size)).filter(ImageFilter.MinFilter(size))
    inside = (size, size, size + small.width, size + small.height)
    paper = wide.resize((width, height), Image.Resampling.BILINEAR, box=inside)
    paper = np.asarray(paper, np.float32) / 255
    ink = _root_mean_square(np.maximum(paper - light, 0)) / (_root_mean_square(paper) + 0.05)
    return np.minimum(ink, 1)


def _lines(ink: np.ndarray, faint: float) -> np.ndarray:
    """Return the ink of straight lines across the sheet: four or more, or paler than the rest."""
    rows, columns = np.quantile(ink, 0.25, axis=1), np.quantile(ink, 0.25, axis=0)
    many = sum(np.sum(np.diff(along > faint)) for along in (rows, columns)) >= 7
    lines = np.maximum.outer(rows, columns)
    paler = lines.max() < 0.8 * ink.max()
    return np.where((lines > faint) & (many or paler), lines, 0)


def _parts(mask: np.ndarray) -> np.ndarray:
    """Return an array that numbers the connected parts of a mask; 0 is outside."""
    parts = np.arange(1, mask.size + 1, dtype=np.int32).reshape(mask.shape) * mask
    while True:
        before = parts.copy()
        for along in (parts, parts.T):  # the largest number among the neighbors, diagonal ones too
            np.maximum(along[1:], along[:-1], out=along[1:])
            np.maximum(along[:-1], along[1:], out=along[:-1])
        parts *= mask
        number = np.append(0, parts)  # it's a pixel's number: go on to the one found there
        parts[mask] = number[number[parts[mask]]]
        if np.array_equal(parts, before):
            return parts


def _along_a_side(parts: np.ndarray, share: float) -> np.ndarray:
    """Tell for each part whether it covers more than this share of a side of the picture."""
    sides = (parts[0], parts[-1], parts[:, 0], parts[:, -1])
    covered = [np.bincount(side, minlength=parts.max() + 1) / len(side) for side in sides]
    return (np.max(covered, axis=0) > share) & (np.arange(parts.max() + 1) > 0)


def _widen(mask: np.ndarray, radius: int) -> np.ndarray:
    """Return a mask with everything that's up to ``radius`` rows and columns away."""
    mask = mask.copy()
    for along in (mask, mask.T) * radius:
        along[1:] |= along[:-1]
        along[:-1] |= along[1:]
    return mask


def _as_image(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(255 * values).astype(np.uint8))


def _root_mean_square(channels: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(channels).mean(axis=2))


def _border(values: np.ndarray, width: int = 1) -> np.ndarray:
    """Return the pixels along the four sides."""
    border = np.ones(values.shape[:2], bool)
    border[width:-width, width:-width] = False
    return values[border]


def _box(mask: np.ndarray) -> np.ndarray:
    """Return left, top, right, and bottom of what's in a mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


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
    left.imshow(image, cmap="Greys", vmin=0, vmax=1)
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
