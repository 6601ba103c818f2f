"""A drawing becomes an image like MNIST's, and the pad shows what the network reads in it."""

import functools
import io

import ipywidgets
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image, ImageDraw

import digit_forms
from chapter14.drawing import drawing_pad, plot_drawing, to_mnist
from chapter14.mnist import RESULTS_FOLDER, load_mnist
from chapter14.recipes import RECIPES, build

SEVEN = [(60, 50), (220, 60), (120, 240)]


def canvas(*strokes, size=280, width=20, ink=0, paper=255):
    image = Image.new("L", (size, size), paper)
    for stroke in strokes:
        ImageDraw.Draw(image).line(stroke, fill=ink, width=width, joint="curve")
    return np.asarray(image)


def moved(stroke, x, y, scale=1.0):
    return [(round(a * scale + x), round(b * scale + y)) for a, b in stroke]


def sides(image):
    rows, columns = np.nonzero(image)
    return np.ptp(rows) + 1, np.ptp(columns) + 1


def predict(images):
    """A network that reads an 8 until the last row, which makes it a 3."""
    probabilities = np.full((1, 28, 10), 0.05)
    probabilities[..., 8] = np.linspace(0.1, 0.3, 28)
    probabilities[0, 27, 3] = 0.6
    return probabilities / probabilities.sum(axis=2, keepdims=True)


DRAWINGS = {
    "thin": canvas(SEVEN, width=3),
    "thick": canvas(SEVEN, width=60),
    "in a corner": canvas(moved(SEVEN, 100, 120, 0.5)),
    "tiny": canvas(moved(SEVEN, 100, 100, 0.08), width=2),
    "touching the border": canvas([(0, 60), (279, 60), (200, 279)]),
    "two strokes": canvas([(80, 40), (60, 150), (200, 150)], [(160, 60), (150, 260)]),
    "hairline": canvas([(140, 40), (140, 240)], width=1),
    "one dot": canvas([(140, 140), (141, 141)], width=8),
    "one pixel": canvas([(140, 140), (140, 140)], width=1),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_it_is_framed_like_mnist(name):
    image = to_mnist(DRAWINGS[name])
    assert image.shape == (28, 28)
    assert image.dtype == np.float32
    assert (image.min(), image.max()) == (0, 1)
    assert max(sides(image)) == 20
    for axis in (0, 1):
        along = image.sum(axis=1 - axis)
        center = np.average(np.arange(28), weights=along)
        at_the_frame = along[0] > 0 or along[-1] > 0
        assert abs(center - 14) <= 0.5 + 1e-6 or at_the_frame


def test_a_heavy_end_pulls_the_rest_to_the_frame_but_not_out_of_it():
    image = to_mnist(canvas([(20, 20), (260, 20)], [(140, 20), (140, 270)], width=30))
    assert max(sides(image)) == 20
    drawing = np.full((100, 100), 255, np.uint8)
    drawing[80:, :] = 0  # heavy at the bottom
    drawing[:80, 50] = 0  # a thin stem up to the top
    image = to_mnist(drawing)
    assert image[0].sum() > 0  # no room for the center of mass at 14
    assert sides(image) == (20, 20)
    assert np.allclose(to_mnist(drawing[::-1])[8:], image[:20][::-1])  # it fits below: 14 - 3 = 11


def test_the_center_of_mass_is_at_pixel_14_counted_from_0():
    image = to_mnist(canvas([(140, 40), (140, 240)], width=40))
    rows, columns = np.nonzero(image)
    assert (rows.min(), rows.max()) in {(4, 23), (5, 24)}
    assert (columns.min(), columns.max()) in {(12, 15), (13, 16)}


def test_the_aspect_ratio_is_kept():
    assert sides(to_mnist(canvas([(140, 40), (140, 240)], width=40))) == (20, 4)
    assert sides(to_mnist(canvas([(40, 140), (240, 140)], width=40))) == (4, 20)
    assert sides(to_mnist(DRAWINGS["hairline"])) == (20, 1)


def test_place_and_size_on_the_canvas_do_not_matter():
    reference = to_mnist(canvas(SEVEN, width=20))
    assert np.array_equal(to_mnist(canvas(moved(SEVEN, -30, 25), width=20)), reference)
    half = to_mnist(canvas(moved(SEVEN, 20, 90, 0.5), width=10))
    assert np.abs(half - reference).mean() < 0.03


def test_edges_are_antialiased():
    image = to_mnist(canvas(SEVEN))
    assert ((image > 0.1) & (image < 0.9)).sum() > 20


def test_a_faint_stroke_counts_beside_a_dark_one_and_less_than_half_a_gray_level_does_not():
    drawing = canvas([(60, 140), (100, 140)], paper=255)
    drawing = np.minimum(drawing, canvas([(180, 140), (220, 140)], ink=245))
    height, width = sides(to_mnist(drawing))
    assert width == 20
    assert height <= 4
    assert to_mnist(drawing)[:, -14:].max() < 0.2


def test_the_darkest_ink_becomes_1_and_the_rest_stays_in_proportion():
    gray = to_mnist(canvas(SEVEN, ink=155))
    assert np.allclose(gray, to_mnist(canvas(SEVEN)), atol=0.01)
    two = np.full((40, 40), 255, np.uint8)
    two[10:30, 10:20] = 55  # 200 levels of ink
    two[10:30, 20:30] = 155  # 100 levels
    assert np.allclose(np.unique(to_mnist(two)[10:18, [6, 22]]), [0.5, 1], atol=0.01)


def test_dark_on_light_light_on_dark_colors_and_transparent_are_the_same_drawing():
    drawing = canvas(SEVEN)
    reference = to_mnist(drawing)
    color = np.repeat(drawing[..., None], 3, axis=2)
    transparent = np.zeros((280, 280, 4), np.uint8)
    transparent[..., 3] = 255 - drawing
    for other in (
        255 - drawing,
        color,
        np.dstack([color, np.full((280, 280), 255, np.uint8)]),
        transparent,
        Image.fromarray(drawing),
        *(Image.fromarray(color).convert(mode) for mode in ("1", "L", "LA", "RGBA", "CMYK")),
        Image.fromarray(color).convert("P", palette=Image.Palette.ADAPTIVE),
    ):
        assert np.allclose(to_mnist(other), reference, atol=1e-5)


@pytest.mark.parametrize("ink", [0, 128, 255])
def test_on_transparent_paper_any_color_is_ink(ink):
    transparent = np.full((280, 280, 4), ink, np.uint8)
    transparent[..., 3] = 255 - canvas(SEVEN)
    assert np.allclose(to_mnist(transparent), to_mnist(canvas(SEVEN)), atol=1e-5)


def test_a_photo_taken_sideways_is_turned_upright():
    upright = Image.fromarray(canvas(SEVEN))
    sideways = upright.transpose(Image.Transpose.ROTATE_90)
    exif = sideways.getexif()
    exif[0x0112] = 6  # the camera was turned: show it turned by 90 degrees clockwise
    photo = io.BytesIO()
    sideways.save(photo, format="jpeg", exif=exif, quality=95)
    assert np.abs(to_mnist(Image.open(photo)) - to_mnist(upright)).mean() < 0.02


def test_the_border_tells_the_paper_even_where_ink_touches_it():
    drawing = canvas([(140, 0), (140, 279)], width=60)
    assert to_mnist(drawing)[14, 14] == 1
    assert to_mnist(drawing)[14, 2] == 0
    assert np.allclose(to_mnist(255 - drawing), to_mnist(drawing))


@pytest.mark.parametrize(("paper", "ink"), [(0, 0), (255, 255), (200, 190)])
def test_a_canvas_with_hardly_any_ink_is_empty(paper, ink):
    assert not to_mnist(canvas(SEVEN, paper=paper, ink=ink)).any()


def test_weak_ink_that_can_be_seen_is_not_empty():
    assert to_mnist(canvas(SEVEN, paper=200, ink=170)).max() == 1


def test_mnist_itself_stays_as_it_is():
    _, _, (X_test, _) = load_mnist()
    images = X_test[:500]
    again = np.array([to_mnist(np.rint(image * 255).astype(np.uint8)) for image in images])
    assert np.abs(again - images).mean() < 0.001
    assert (np.abs(again - images).max(axis=(1, 2)) < 0.01).mean() > 0.8


def test_numbers_from_0_to_1_are_refused_since_they_would_look_empty():
    with pytest.raises(TypeError, match="uint8"):
        to_mnist(np.zeros((28, 28)))


def test_the_picture_shows_the_image_the_probabilities_and_the_answer():
    asked = []

    def ask(images):
        asked.append(images)
        return predict(images)

    figure = plot_drawing(canvas(SEVEN), ask)
    image, heat_map = figure.axes
    assert np.array_equal(asked[0], to_mnist(canvas(SEVEN))[None])
    assert np.array_equal(image.images[0].get_array(), asked[0][0])
    assert np.allclose(heat_map.images[0].get_array(), predict(None)[0])
    assert heat_map.get_title() == "It reads a 3"
    assert heat_map.get_ylabel() == ""
    assert image.get_title() == "what the network sees"
    assert image.get_ylabel() == "row"
    assert image.get_yticks().tolist() == [0, 7, 14, 21, 27]
    assert figure.get_label() == "3: 46%, 8: 23%, 9: 4%"
    assert not np.any([tick.get_weight() == "bold" for tick in heat_map.get_xticklabels()])
    plt.close(figure)


@pytest.mark.skipif(
    not matplotlib.__version__.startswith("3.11."),
    reason="the reference image is by matplotlib 3.11; another one lays text out by other rules",
)
@pytest.mark.mpl_image_compare(
    baseline_dir="baseline", savefig_kwargs={"dpi": 60}, style="chapter14.style", tolerance=6
)
def test_picture_of_a_drawing():
    return plot_drawing(canvas(SEVEN), predict)


def test_an_empty_drawing_is_not_read():
    figure = plot_drawing(canvas(), lambda images: pytest.fail("nothing to read"))
    assert figure.axes[0].get_title() == "draw a digit"
    assert figure.axes[0].get_yticks().tolist() == [0, 7, 14, 21, 27]
    assert not figure.axes[1].axison
    assert figure.get_label() == "nothing drawn yet"
    plt.close(figure)


def test_the_pad_answers_each_stroke_and_clears():
    plt.close("all")
    seen = []

    def ask(images):
        seen.append(images)
        return predict(images)

    pad = drawing_pad(ask)
    assert isinstance(pad, ipywidgets.HBox)
    paint, (answers, picture) = pad.children[0], pad.children[1].children
    assert (paint.width, paint.height) == (280, 280)
    assert (paint.brush, paint.color_picker) == (False, False)
    assert picture.format == "png"
    empty = picture.value
    assert answers.value == "nothing drawn yet"
    assert len(seen) == 1  # compiled before the first stroke
    assert (seen[0].shape, seen[0].dtype, seen[0].any()) == ((1, 28, 28), np.float32, False)
    seen.clear()
    paint.replace_with_pil(Image.fromarray(canvas(SEVEN)).convert("RGBA"))
    assert np.array_equal(seen[0], to_mnist(canvas(SEVEN))[None])
    assert bytes(picture.value).startswith(b"\x89PNG")
    assert picture.value != empty
    assert answers.value == "3: 46%, 8: 23%, 9: 4%"
    paint.replace_with_pil(Image.new("RGBA", (280, 280), "white"))
    assert picture.value == empty
    assert len(seen) == 1
    assert not plt.get_fignums()


def test_a_network_that_answers_only_once_is_refused_when_the_pad_is_made():
    with pytest.raises(ValueError, match=r"\(1, 28, 10\)"):
        drawing_pad(lambda images: np.full((1, 10), 0.1))


def test_a_network_without_softmax_is_refused_when_the_pad_is_made():
    with pytest.raises(ValueError, match="softmax"):
        drawing_pad(lambda images: np.full((1, 28, 10), 3.0))


@functools.cache
def network():
    """The network of `record`, which reads 99.6% of MNIST's own digits."""
    model = build(RECIPES["record"])
    with np.load(RESULTS_FOLDER / "record.npz", allow_pickle=False) as arrays:
        model.set_weights([arrays[name] for name in arrays.files])
    return model


def count_read(form, first=0, each=10):
    """Return how many validation digits are read in a form, so many of each class."""
    _, (X, y), _ = load_mnist()
    chosen = [np.flatnonzero(y == digit)[first : first + each] for digit in range(10)]
    chosen = np.concatenate(chosen)
    images = [to_mnist(form(X[i], np.random.default_rng([14, i]))) for i in chosen]
    answers = np.asarray(network()(np.stack(images))).argmax(axis=1)
    return np.sum(answers == y[chosen])


@pytest.mark.parametrize("name", ["mode LA", "mode P", "any colors", "transparent", "EXIF"])
def test_a_clean_drawing_is_read(name):
    assert count_read(digit_forms.CLEAN[name]) >= 97


@pytest.mark.parametrize("name", ["gray 190", "narrow"])
def test_a_digit_on_ruled_paper_is_read(name):
    assert count_read(digit_forms.RULED[name]) >= 90


def test_a_scan_and_a_photo_are_read():
    assert count_read(digit_forms.SCANS["dark edge and specks"], each=2) >= 18
    assert count_read(digit_forms.PHOTOS["shadow"], each=2) >= 18


def test_blank_paper_is_empty():
    rng = np.random.default_rng(14)
    blank = np.zeros((28, 28), np.float32)
    forms = digit_forms.CLEAN | {"ruled": digit_forms.RULED["gray 190"], "scan": digit_forms.scan}
    for name, form in forms.items():
        assert not to_mnist(form(blank, rng)).any(), name


def test_two_bars_on_paper_of_two_grays_half_a_level_off_the_median_are_ink():
    drawing = np.full((20, 20), 100, np.uint8)
    drawing[:, 10:] = 101
    drawing[0], drawing[-1] = 0, 255
    assert sides(to_mnist(drawing)) == (20, 20)


def test_16_bits_of_gray_are_not_clipped():
    gray = 257 * canvas(SEVEN, ink=100, paper=200).astype(np.uint16)  # all of it above 255
    assert np.allclose(to_mnist(Image.fromarray(gray)), to_mnist(canvas(SEVEN)), atol=1e-5)


def test_what_cannot_be_read_gets_a_sentence():
    with pytest.raises(TypeError, match="expected a PIL image of 8 or 16 bits"):
        to_mnist(Image.new("F", (28, 28)))
