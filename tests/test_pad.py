"""The drawing pad: a drawing becomes an image like MNIST's."""

import re
import time

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageDraw

from chapter14.data import load_mnist
from chapter14.pad import digit_pad, plot_drawing, prepare

UNSURE = np.full((1, 28, 10), 0.1)
SEVEN = [(60, 50), (220, 60), (120, 240)]


def canvas(*strokes, size=280, width=20, ink=0, paper=255):
    image = Image.new("L", (size, size), paper)
    for stroke in strokes:
        ImageDraw.Draw(image).line(stroke, fill=ink, width=width, joint="curve")
    return np.asarray(image)


def moved(stroke, x, y, scale=1.0):
    return [(round(a * scale + x), round(b * scale + y)) for a, b in stroke]


DRAWINGS = {
    "thin": canvas(SEVEN, width=3),
    "thick": canvas(SEVEN, width=60),
    "off-centre": canvas(moved(SEVEN, 100, 120, 0.5)),
    "tiny": canvas(moved(SEVEN, 100, 100, 0.08), width=2),
    "touching the border": canvas([(0, 60), (279, 60), (200, 279)]),
    "several strokes": canvas([(80, 40), (60, 150), (200, 150)], [(160, 60), (150, 260)]),
    "one dot": canvas([(140, 140), (141, 141)], width=8),
    "one pixel": canvas([(140, 140), (140, 140)], width=1),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_it_is_framed_like_mnist(name):
    image = prepare(DRAWINGS[name])
    assert image.shape == (28, 28)
    assert image.dtype == np.float32
    assert (image.min(), image.max()) == (0, 1)
    rows, columns = np.nonzero(image > 0)
    sides = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert max(sides) == 20
    for axis, side in enumerate(sides):
        along = image.sum(axis=1 - axis)
        centre = (along * np.arange(28)).sum() / along.sum()
        at_the_frame = 0 in (along[0] == 0, along[-1] == 0)
        assert abs(centre - 14) <= 0.5 + 1e-6 or at_the_frame or side == 28


def test_the_aspect_ratio_is_kept():
    image = prepare(canvas([(140, 40), (140, 240)], width=40))
    rows, columns = np.nonzero(image)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (20, 4)


def test_place_and_size_on_the_canvas_do_not_matter():
    reference = prepare(canvas(SEVEN, width=20))
    assert np.array_equal(prepare(canvas(moved(SEVEN, -30, 25), width=20)), reference)
    half = prepare(canvas(moved(SEVEN, 20, 90, 0.5), width=10))
    assert np.abs(half - reference).mean() < 0.03


def test_edges_are_antialiased():
    image = prepare(canvas(SEVEN))
    assert ((image > 0.1) & (image < 0.9)).sum() > 20


def test_white_on_black_rgb_rgba_and_pil_are_the_same_drawing():
    drawing = canvas(SEVEN)
    reference = prepare(drawing)
    colour = np.repeat(drawing[..., None], 3, axis=2)
    transparent = np.zeros((280, 280, 4), np.uint8)
    transparent[..., 3] = 255 - drawing
    for other in (
        255 - drawing,
        colour,
        np.dstack([colour, np.full((280, 280), 255, np.uint8)]),
        transparent,
        *(Image.fromarray(colour).convert(mode) for mode in ("1", "L", "LA", "RGBA", "CMYK")),
        Image.fromarray(colour).convert("P", palette=Image.Palette.ADAPTIVE),
    ):
        assert np.allclose(prepare(other), reference, atol=1e-5)


@pytest.mark.parametrize("paper", [0, 255])
def test_an_empty_canvas_is_an_empty_image(paper):
    assert not prepare(canvas(paper=paper)).any()


def test_mnist_itself_stays_as_it_is():
    _, _, (X_test, _) = load_mnist()
    images = X_test[:500]
    again = np.array([prepare(np.rint(image * 255).astype(np.uint8)) for image in images])
    assert np.abs(again - images).mean() < 0.001
    assert (np.abs(again - images).max(axis=(1, 2)) < 0.01).mean() > 0.8


@settings(max_examples=300, deadline=None)
@given(
    hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 40), st.integers(1, 40))
        | st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([3, 4])),
    )
)
def test_any_picture_gives_an_image(drawing):
    image = prepare(drawing)
    assert image.shape == (28, 28)
    assert np.isfinite(image).all()
    assert image.min() >= 0
    assert image.max() in (0, 1)


@pytest.mark.parametrize(
    ("drawing", "error", "message"),
    [
        (np.zeros((9, 9)), TypeError, "drawing: expected uint8, got float64"),
        (np.zeros(9, np.uint8), ValueError, r"drawing: expected shape .*, got \(9,\)"),
        (np.zeros((9, 9, 2), np.uint8), ValueError, r"drawing: expected shape .*, got \(9, 9, 2\)"),
        (np.zeros((0, 9), np.uint8), ValueError, r"drawing: expected shape .*, got \(0, 9\)"),
        ("a picture", TypeError, "drawing: expected uint8, got <U9"),
        (None, TypeError, "drawing: expected uint8, got object"),
    ],
)
def test_bad_drawings(drawing, error, message):
    with pytest.raises(error, match=message):
        prepare(drawing)


def test_a_wrong_believe_is_named():
    with pytest.raises(ValueError, match=r"believe: expected shape \(1, 28, 10\), got \(1, 10\)"):
        plot_drawing(canvas(SEVEN), lambda images: np.full((1, 10), 0.1))


def test_the_pad_answers_each_stroke_and_clears():
    plt.close("all")  # what other tests left open
    seen = []

    def believe(images):
        seen.append(images)
        return UNSURE

    pad = digit_pad(believe)
    assert isinstance(pad, ipywidgets.HBox)
    paint, (answers, picture) = pad.children[0], pad.children[1].children
    empty = picture.value
    assert answers.value == "nothing drawn yet"
    assert not np.concatenate(seen).any()  # asked about nothing but an empty image
    seen.clear()
    started = time.perf_counter()
    paint.replace_with_pil(Image.fromarray(canvas(SEVEN)).convert("RGBA"))
    assert time.perf_counter() - started < 1  # the browser test measures the whole way
    assert np.array_equal(seen[0], prepare(canvas(SEVEN))[None])
    assert picture.value != empty
    assert re.fullmatch(r"\d: 10 %, \d: 10 %, \d: 10 %", answers.value)
    paint.replace_with_pil(Image.new("RGBA", (280, 280), "white"))
    assert picture.value == empty
    assert len(seen) == 1
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (UNSURE[:, :27], r"believe: expected shape \(1, 28, 10\), got \(1, 27, 10\)"),
        (UNSURE * 20, "believe: expected values from 0 to"),
        (UNSURE * 0.5, "believe: expected probabilities that sum to one"),
        (UNSURE * np.nan, "believe: expected finite numbers"),
        ([[1], [1, 2]], "believe: expected an array of shape .*, got ragged rows"),
    ],
)
def test_an_answer_that_is_no_belief_is_refused_at_once(answer, message):
    plt.close("all")
    with pytest.raises(ValueError, match=message):
        plot_drawing(canvas(SEVEN), lambda _: answer)
    with pytest.raises(ValueError, match=message):
        digit_pad(lambda _: answer)
    assert not plt.get_fignums()
