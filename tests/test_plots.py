from typing import get_type_hints

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.figure import Figure

from chapter14 import plots
from chapter14.data import load_book_curve

IMAGE = np.linspace(0, 1, 28 * 28).reshape(28, 28)
IMAGES = np.stack([IMAGE, 1 - IMAGE, IMAGE.T])
LABELS = np.array([3, 4, 9])
PROBABILITIES = np.full((3, 10), 0.02)
PROBABILITIES[[0, 1, 2], [3, 9, 9]] = 0.82
BELIEF = np.full((3, 28, 10), 0.1)
BELIEF[:, 14:] = PROBABILITIES[:, None]
HISTORY = {"accuracy": [0.9, 0.95], "val_accuracy": [0.93, 0.97], "loss": [1, 2]}

EXAMPLES = {
    plots.plot_rows: {"image": IMAGE, "timestep": 9},
    plots.plot_architecture: {"image": IMAGE, "units": 150},
    plots.plot_learning_curves: {"history": HISTORY},
    plots.plot_confusion_matrix: {"y_true": LABELS, "y_predicted": LABELS},
    plots.plot_digits: {"images": IMAGES, "labels": LABELS, "probabilities": PROBABILITIES},
    plots.plot_confidence: {"labels": LABELS, "probabilities": PROBABILITIES},
    plots.plot_belief: {"belief": BELIEF[0], "label": 3},
    plots.plot_beliefs: {"images": IMAGES, "labels": LABELS, "beliefs": {"one": BELIEF}},
}
PANELS = [f for f in EXAMPLES if get_type_hints(f)["return"] is not Figure]


@pytest.fixture(autouse=True)
def _style_and_no_other_figures():
    plt.close("all")
    with plt.style.context("chapter14.style"):
        yield
    plt.close("all")


@pytest.mark.parametrize("plot", PANELS, ids=lambda f: f.__name__)
def test_a_panel_draws_on_the_axes_it_is_given_and_makes_one_otherwise(plot):
    _, ax = plt.subplots()
    assert plot(**EXAMPLES[plot], ax=ax) is ax
    assert len(plt.get_fignums()) == 1
    assert plot(**EXAMPLES[plot]) is not ax


def test_rows_are_one_strip_a_timestep_and_the_coming_ones_are_pale():
    image = plots.plot_rows(IMAGE, timestep=9).images[0]
    strips = np.ma.filled(image.get_array(), np.nan).reshape(28, 4, 28)
    alpha = image.get_alpha().reshape(28, 4, 28)
    assert np.array_equal(strips[:, 0], IMAGE)
    assert np.isnan(strips[:, 3]).all()
    assert (alpha[:10] == 1).all()
    assert (alpha[10:] < 0.3).all()
    left, right, bottom, top = image.get_extent()
    row_height = (bottom - top) / 28
    # the middle of strip t, three quarters of its row, lies at the tick t
    assert [top + row_height * (t + 0.375) for t in (0, 27)] == pytest.approx([0, 27])
    assert (left, right) == (-0.5, 27.5)


def test_architecture_shows_the_rows_of_the_image_and_the_shapes():
    ax = plots.plot_architecture(IMAGE, units=70)
    texts = {text.get_text() for text in ax.texts}
    assert {"SimpleRNN(70)", "kernel 28 × 70", "recurrent kernel 70 × 70", "h(27)"} <= texts
    shown = [np.asarray(image.get_array())[0] for image in ax.images]
    assert np.array_equal(shown, IMAGE[[0, 1, 12, 13, 27]])


def test_learning_curves_show_train_validation_and_the_book():
    ax = plots.plot_learning_curves(HISTORY, label="ours")
    lines = {line.get_label(): line for line in ax.lines}
    assert list(lines) == ["book, test", "ours, validation", "ours, train"]
    book = load_book_curve()
    assert np.array_equal(lines["book, test"].get_xdata(), book["epoch"] + 1)
    assert np.array_equal(lines["book, test"].get_ydata(), book["test_accuracy"])
    assert lines["ours, validation"].get_ydata().tolist() == [0.93, 0.97]
    assert lines["ours, train"].get_xdata().tolist() == [1, 2]
    assert ax.get_xlabel() == "epochs finished (log scale)"
    plots.plot_learning_curves(HISTORY, label="other", book=False, ax=ax)
    assert len(ax.lines) == 5
    assert len({line.get_color() for line in ax.lines}) == 3


def test_confusion_matrix_counts_and_colours_the_mistakes_alone():
    ax = plots.plot_confusion_matrix([4, 4, 4, 9], [4, 9, 9, 9])
    assert ax.get_title("left") == "2 of 4 digits taken for another"
    counts = {t.get_position(): t.get_text() for t in ax.texts}
    assert counts == {(4, 4): "1", (9, 4): "2", (9, 9): "1"}  # (predicted, true)
    colours = np.asarray(ax.images[0].get_array())
    assert colours[4, 9] == 2
    assert colours.sum() == 2
    assert ax.get_ylabel() == "true digit"


def test_digits_name_the_truth_the_answer_and_the_confidence():
    figure = plots.plot_digits(IMAGES, LABELS, PROBABILITIES, columns=2)
    assert len(figure.axes) == 4
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["3\n82 %", "4 taken for 9\n82 %", "9\n82 %", ""]
    colours = [ax.title.get_color() for ax in figure.axes[:3]]
    assert colours == [plots.GREEN, plots.ORANGE, plots.GREEN]


def test_confidence_has_a_bar_for_each_occupied_range():
    ax = plots.plot_confidence(LABELS, PROBABILITIES)
    (bar,) = ax.patches
    assert bar.get_height() == pytest.approx(2 / 3)
    assert [text.get_text() for text in ax.texts] == ["3"]
    assert ax.lines[0].get_ydata() == pytest.approx([0.82, 0.82])
    assert ax.get_xticklabels()[4].get_text() == "80 %\nto 90 %"


def test_belief_shows_the_probabilities_and_the_trail_of_the_leader():
    ax = plots.plot_belief(BELIEF[1], label=4)
    assert np.array_equal(ax.images[0].get_array(), BELIEF[1])
    trail = ax.lines[0]
    assert trail.get_xdata().tolist() == [0] * 14 + [9] * 15
    assert (trail.get_ydata()[0], trail.get_ydata()[-1]) == (-0.5, 27.5)
    assert [line.get_xdata()[0] for line in ax.lines[1:]] == [3.5, 4.5]
    assert ax.get_ylim() == (27.5, -0.5)  # time runs downwards
    assert ax.get_xticklabels()[4].get_weight() == "bold"


def test_beliefs_put_digit_and_belief_row_beside_row():
    figure = plots.plot_beliefs(IMAGES, LABELS, {"one": BELIEF, "other": BELIEF})
    titles = [ax.get_title() or ax.get_title("left") for ax in figure.axes]
    assert titles == ["a 3", "one", "other", "a 4", "one", "other", "a 9", "one", "other"]
    assert {ax.get_ylim() for ax in figure.axes} == {(27.5, -0.5)}


def test_save_figure_makes_the_folder_and_writes_the_same_file_twice(tmp_path):
    paths = [tmp_path / "new" / name / "figure.svg" for name in "ab"]
    for path in paths:
        figure = plt.figure()
        figure.add_subplot().plot([1, 2])
        assert plots.save_figure(figure, path) == path
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with pytest.raises(ValueError, match=r"path: expected an ending among .*got 'figure\.doc'"):
        plots.save_figure(figure, tmp_path / "figure.doc")
    with pytest.raises(TypeError, match="figure: expected a matplotlib Figure, got str"):
        plots.save_figure("figure", tmp_path / "figure.png")


BAD = [
    (plots.plot_rows, {"image": IMAGE[:27]}, r"image: expected shape \(28, 28\), got \(27, 28\)"),
    (plots.plot_rows, {"image": IMAGE * 255}, "image: expected values from 0 to 1, got"),
    (plots.plot_rows, {"timestep": 28}, "timestep: expected values from 0 to 27, got 28"),
    (plots.plot_architecture, {"units": 0}, "units: expected values of 1 or more, got 0"),
    (plots.plot_learning_curves, {"history": {"accuracy": [1]}}, "history: .*'val_accuracy'"),
    (
        plots.plot_learning_curves,
        {"history": HISTORY | {"val_accuracy": [0.5]}},
        r"history\['val_accuracy'\]: expected shape \(2\), got \(1,\)",
    ),
    (
        plots.plot_confusion_matrix,
        {"y_predicted": [1, 2]},
        r"y_predicted: expected shape \(3\), got \(2,\)",
    ),
    (plots.plot_confusion_matrix, {"y_true": [1, 2, 10]}, "y_true: expected values from 0 to 9"),
    (plots.plot_digits, {"images": IMAGES[0]}, r"images: expected shape \(n, 28, 28\), got"),
    (plots.plot_digits, {"labels": []}, r"labels: expected shape \(3\), got \(0,\)"),
    (
        plots.plot_digits,
        {"images": np.zeros((401, 28, 28))},
        "images: expected at most 400 to draw, got 401",
    ),
    (plots.plot_digits, {"columns": 0}, "columns: expected values of 1 or more, got 0"),
    (
        plots.plot_confidence,
        {"probabilities": PROBABILITIES * 0.5},
        "sum to one .*got a sum of 0.5",
    ),
    (plots.plot_belief, {"belief": BELIEF[0] * np.nan}, "belief: expected finite numbers"),
    (plots.plot_belief, {"label": 3.0}, "label: expected integers, got dtype float64"),
    (plots.plot_beliefs, {"beliefs": {}}, "beliefs: expected a mapping from name to array"),
    (plots.plot_beliefs, {"beliefs": {"one": BELIEF[:2]}}, r"beliefs\['one'\]: expected shape"),
]


@pytest.mark.parametrize(("plot", "changed", "message"), BAD)
def test_bad_input_names_the_argument_what_was_expected_and_what_came(plot, changed, message):
    with pytest.raises((ValueError, TypeError), match=message):
        plot(**(EXAMPLES[plot] | changed))
    assert not plt.get_fignums()  # nothing half drawn is left behind


ANY_ARRAY = hnp.arrays(
    st.sampled_from([np.float64, np.int64, np.uint8, np.bool_, np.dtype("U2")]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=29),
)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("plot", EXAMPLES, ids=lambda f: f.__name__)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_array_for_any_argument_is_drawn_or_named(plot, data):
    arguments = dict(EXAMPLES[plot])
    name = data.draw(st.sampled_from(sorted(arguments)))
    shape = np.shape(arguments[name]) if not isinstance(arguments[name], dict) else (2,)
    of_its_shape = hnp.arrays(st.sampled_from([np.float32, np.int64, np.uint8]), shape)
    arguments[name] = data.draw(of_its_shape | ANY_ARRAY)
    try:
        drawn = plot(**arguments)
    except (ValueError, TypeError) as error:
        message = str(error)
    else:
        getattr(drawn, "figure", drawn).draw_without_rendering()
        message = f"{name}: drawn"
    plt.close("all")
    # arrays that must be as long as each other: the message may name the partner
    partners = {"images": "labels", "labels": "probabilities", "y_true": "y_predicted"}
    assert message.startswith((f"{name}:", f"{name}[", f"{partners.get(name)}:"))
    assert "expected" in message or message.endswith("drawn")


same_matplotlib = pytest.mark.skipif(
    not matplotlib.__version__.startswith("3.11."),
    reason="the reference images are by matplotlib 3.11; another one lays text out by other rules",
)
COMPARE = {
    "baseline_dir": "baseline",
    "remove_text": True,
    "tolerance": 6,
    "savefig_kwargs": {"dpi": 60},
}


@same_matplotlib
@pytest.mark.mpl_image_compare(**COMPARE)
def test_picture_of_the_rows():
    return plots.plot_rows(IMAGE, timestep=9).figure


@same_matplotlib
@pytest.mark.mpl_image_compare(**COMPARE)
def test_picture_of_the_architecture():
    return plots.plot_architecture(IMAGE).figure


@same_matplotlib
@pytest.mark.mpl_image_compare(**COMPARE)
def test_picture_of_the_beliefs():
    return plots.plot_beliefs(IMAGES, LABELS, {"one": BELIEF, "other": BELIEF})
