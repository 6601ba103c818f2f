import keras
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from chapter14 import plots

IMAGE = np.linspace(0, 1, 28 * 28).reshape(28, 28)
IMAGES = np.stack([IMAGE, 1 - IMAGE, IMAGE.T])
LABELS = np.array([3, 4, 9])
PROBABILITIES = np.full((3, 10), 0.02)
PROBABILITIES[[0, 1, 2], [3, 9, 9]] = 0.82
BY_ROW = np.full((3, 28, 10), 0.1)
BY_ROW[:, 14:] = PROBABILITIES[:, None]
HISTORY = {"accuracy": [0.9, 0.95, 0.97], "val_accuracy": [0.93, 0.96, 0.94], "loss": [3, 2, 1]}
for array in (IMAGE, IMAGES, LABELS, PROBABILITIES, BY_ROW):
    array.flags.writeable = False  # nobody changes the reader's data

PANELS = {
    plots.plot_rows: [IMAGE, 9],
    plots.plot_architecture: [IMAGE],
    plots.plot_learning_curves: [HISTORY],
    plots.plot_confusion_matrix: [LABELS, [3, 9, 9]],
    plots.plot_reliability: [LABELS, {"one": PROBABILITIES}],
    plots.plot_probabilities: [BY_ROW[0], 3],
}


@pytest.fixture(autouse=True)
def _style_and_no_other_figures():
    plt.close("all")
    with plt.style.context("chapter14.style"):
        before = dict(plt.rcParams)
        yield
        assert dict(plt.rcParams) == before
    plt.close("all")


@pytest.mark.parametrize("plot", PANELS, ids=lambda f: f.__name__)
def test_a_panel_draws_on_the_axes_it_is_given_and_makes_one_otherwise(plot):
    _, (ax, other) = plt.subplots(1, 2)
    plt.sca(other)
    assert plot(*PANELS[plot], ax=ax) is ax
    assert len(plt.get_fignums()) == 1
    assert plt.gca() is other
    assert not other.has_data()
    assert plot(*PANELS[plot]) is not ax
    assert len(plt.get_fignums()) == 2


def test_rows_are_one_strip_per_timestep_and_the_coming_ones_are_pale():
    ax = plots.plot_rows(IMAGE, timestep=9)
    image = ax.images[0]
    assert np.array_equal(image.get_array(), IMAGE)
    assert (image.get_alpha()[:10] == 1).all()
    assert (image.get_alpha()[10:] < 0.3).all()
    assert image.get_alpha().shape == (28, 28)
    gaps = [segment[:, 1].tolist() for segment in ax.collections[0].get_segments()]
    assert gaps == [[t + 0.5, t + 0.5] for t in range(27)]
    assert (ax.get_xlim(), ax.get_ylim()) == ((-0.5, 27.5), (27.5, -0.5))
    assert (plots.plot_rows(IMAGE).images[0].get_alpha() == 1).all()
    empty = plots.plot_rows(np.zeros((28, 28))).images[0]
    assert empty.cmap(empty.norm(0.0))[0] < 0.97  # an empty row isn't white


def test_architecture_shows_rows_of_the_image_and_the_shapes():
    ax = plots.plot_architecture(IMAGE, units=70)
    texts = {text.get_text() for text in ax.texts}
    assert {"SimpleRNN(70)", "kernel 28 × 70", "recurrent kernel 70 × 70"} <= texts
    assert {"kernel 70 × 10", "Dense(10)", "softmax:\n10 probabilities"} <= texts
    steps = [0, 1, 12, 13, 27]
    assert {f"h({t})" for t in steps} | {f"row {t}" for t in steps} <= texts
    assert np.array_equal([image.get_array()[0] for image in ax.images], IMAGE[steps])
    assert "recurrent kernel 150 × 150" in {
        t.get_text() for t in plots.plot_architecture(IMAGE).texts
    }


def test_learning_curves_show_both_accuracies_and_the_book_behind_them():
    book = np.linspace(0.5, 0.98, 100)
    ax = plots.plot_learning_curves(HISTORY, label="ours", book=book)
    lines = {line.get_label(): line for line in ax.lines}
    assert list(lines) == ["book, test", "ours, validation", "ours, train"]
    assert np.array_equal(lines["book, test"].get_xydata().T, [range(1, 101), book])
    assert lines["ours, validation"].get_xydata().tolist() == [[1, 0.93], [2, 0.96], [3, 0.94]]
    assert lines["ours, train"].get_xydata().tolist() == [[1, 0.9], [2, 0.95], [3, 0.97]]
    assert ax.get_xscale() == "log"
    plots.plot_learning_curves(HISTORY, label="other", ax=ax)
    assert len(ax.lines) == 5
    assert len({line.get_color() for line in ax.lines}) == 3  # a color is a run
    assert len({line.get_linestyle() for line in ax.lines[1:]}) == 2
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == [*lines, "other, validation", "other, train"]
    assert ax.get_xlim()[1] >= 100


@pytest.mark.parametrize("epochs", [1, 3, 30])
def test_without_the_book_the_axis_ends_with_the_run(epochs):
    history = {"accuracy": [0.9] * epochs, "val_accuracy": [0.8] * epochs}
    ax = plots.plot_learning_curves(history)
    ax.figure.draw_without_rendering()
    assert epochs < ax.get_xlim()[1] < 1.3 * epochs
    assert [line.get_label() for line in ax.lines] == ["validation", "train"]


def test_confusion_matrix_counts_and_colors_the_mistakes_alone():
    ax = plots.plot_confusion_matrix([4, 4, 4, 9, 9, 9], [4, 9, 9, 9, 9, 3])
    assert ax.get_title("left") == "3 of 6 digits taken for another"
    texts = {t.get_position(): t for t in ax.texts}  # at (predicted, true)
    written = {place: text.get_text() for place, text in texts.items()}
    assert written == {(4, 4): "1", (9, 4): "2", (9, 9): "2", (3, 9): "1"}
    assert texts[9, 4].get_weight() == "bold" != texts[9, 9].get_weight()
    colored = np.asarray(ax.images[0].get_array())
    assert colored[4, 9] == 2
    assert colored[9, 3] == 1
    assert colored.sum() == 3
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted digit", "true digit")
    rgb = ax.images[0].cmap(ax.images[0].norm(2))[:3]
    assert np.mean(rgb) > 0.3  # black can be read on the darkest


def test_digits_name_the_truth_the_answer_and_its_probability():
    figure = plots.plot_digits(IMAGES, LABELS, PROBABILITIES, columns=2)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["3\n82%", "4 taken for 9\n82%", "9\n82%", ""]
    colors = [ax.title.get_color() for ax in figure.axes[:3]]
    assert colors == [plots.GREEN, plots.ORANGE, plots.GREEN]
    shown = [ax.images[0].get_array() for ax in figure.axes[:3]]
    assert np.array_equal(shown, IMAGES)
    places = [ax.get_subplotspec().get_geometry()[:3] for ax in figure.axes]
    assert places == [(2, 2, 0), (2, 2, 1), (2, 2, 2), (2, 2, 3)]
    assert not any(ax.axison for ax in figure.axes)
    assert len(plots.plot_digits(IMAGES, LABELS, PROBABILITIES).axes) == 3


def test_reliability_by_its_numbers():
    # 40 predictions make 20 bins of two; the first has one mistake, the last two
    doubt = np.geomspace(1e-6, 0.5, 40)
    wrong = np.isin(np.arange(40), [0, 38, 39])
    probabilities = np.tile(doubt[:, None] / 9, 10)
    probabilities[:, 7] = 1 - doubt
    order = np.random.default_rng(14).permutation(40)
    labels = np.where(wrong, 2, 7)[order]
    ax = plots.plot_reliability(labels, {"one": probabilities[order]})
    line, some, none = ax.lines[0], ax.containers[0], ax.lines[-1]
    assert np.array_equal(line.get_xdata(), line.get_ydata())
    bins = doubt.reshape(20, 2).mean(axis=1)
    assert some[0].get_xdata() == pytest.approx(bins[[0, 19]])
    assert some[0].get_ydata() == pytest.approx([0.5, 1])
    [first, last] = some[2][0].get_segments()
    assert first[:, 1] == pytest.approx([0.0945, 0.9055], abs=1e-4)  # Wilson's, 1 of 2
    assert last[:, 1] == pytest.approx([0.3424, 1], abs=1e-4)
    assert none.get_xdata() == pytest.approx(bins[1:19])
    assert none.get_ydata() == pytest.approx([1 - 0.3424] * 18, abs=1e-4)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_doubt_is_not_lost_in_float32():
    sure = np.full((1, 10), 1e-12, np.float32)
    sure[0, 3] = 1
    ax = plots.plot_reliability([3], {"sure": sure})
    assert ax.lines[-1].get_xdata() == pytest.approx([9e-12])


@pytest.mark.parametrize("label", [0, 4, 9])
def test_probabilities_show_the_leader_and_mark_the_truth(label):
    ax = plots.plot_probabilities(BY_ROW[1], label)
    assert np.array_equal(ax.images[0].get_array(), BY_ROW[1])
    assert ax.images[0].get_clim() == (0, 1)
    trail, *sides = ax.lines
    assert trail.get_xdata().tolist() == [0] * 14 + [9] * 15
    assert trail.get_ydata().tolist() == [t - 0.5 for t in range(29)]
    assert trail.get_drawstyle() == "steps-pre"
    assert [side.get_xdata()[0] for side in sides] == [label - 0.5, label + 0.5]
    assert {side.get_color() for side in sides} == {plots.GREEN}
    assert (ax.get_xlim(), ax.get_ylim()) == ((-0.5, 9.5), (27.5, -0.5))  # time runs downward
    green = [t.get_text() for t in ax.get_xticklabels() if t.get_color() == plots.GREEN]
    assert green == [f"{label}"]


def test_no_green_where_the_truth_is_not_known():
    ax = plots.plot_probabilities(BY_ROW[1])
    assert [line.get_color() for line in ax.lines] == [plots.ORANGE]
    assert plots.GREEN not in {label.get_color() for label in ax.get_xticklabels()}


def test_the_grid_puts_image_and_probabilities_row_beside_row():
    other = BY_ROW[:, ::-1]
    figure = plots.plot_probability_grid(IMAGES, LABELS, {"one": BY_ROW, "other": other})
    titles = [ax.get_title() or ax.get_title("left") for ax in figure.axes]
    assert titles == ["a 3", "one", "other", "a 4", "one", "other", "a 9", "one", "other"]
    shown = [ax.images[0].get_array() for ax in figure.axes]
    for i in range(3):
        for array, expected in zip(shown[3 * i :], [IMAGES[i], BY_ROW[i], other[i]], strict=False):
            assert np.array_equal(array, expected)
        assert figure.axes[3 * i + 1].lines[1].get_xdata()[0] == LABELS[i] - 0.5
    assert {ax.get_ylim() for ax in figure.axes} == {(27.5, -0.5)}
    assert [ax.get_ylabel() for ax in figure.axes[:3]] == ["timestep t", "", ""]


@pytest.mark.parametrize(
    ("plot", "arguments", "word"),
    [
        (plots.plot_rows, [IMAGE[:27]], r"image.*\(27, 28\)"),
        (plots.plot_architecture, [IMAGES], r"image.*\(3, 28, 28\)"),
        (plots.plot_confusion_matrix, [LABELS, [3]], "y_true.*3.*y_predicted.*1"),
        (plots.plot_digits, [IMAGES[:2], LABELS, PROBABILITIES], "images.*2.*labels.*3"),
        (plots.plot_digits, [IMAGES, LABELS, PROBABILITIES[:2]], "labels.*3.*probabilities.*2"),
        (plots.plot_digits, [IMAGES, LABELS, PROBABILITIES * 2], "softmax"),
        (plots.plot_reliability, [LABELS[:1], {"one": PROBABILITIES}], "labels.*1.*one.*3"),
        (plots.plot_reliability, [LABELS, {"one": np.log(PROBABILITIES)}], "softmax"),
        (plots.plot_probabilities, [BY_ROW[0] * np.nan], "softmax"),
        (plots.plot_probabilities, [BY_ROW[0] * 0.95], "softmax"),
        (plots.plot_probability_grid, [IMAGES, LABELS[:2], {"one": BY_ROW}], "images.*labels"),
        (plots.plot_probability_grid, [IMAGES, LABELS, {"one": BY_ROW[:2]}], "labels.*one"),
    ],
)
def test_what_would_mislead_is_refused(plot, arguments, word):
    with pytest.raises(ValueError, match=word):
        plot(*arguments)
    assert not plt.get_fignums()  # nothing half drawn is left behind


def test_probabilities_in_bfloat16_are_drawn():
    bfloat16 = keras.ops.cast(BY_ROW[0], "bfloat16").numpy()
    assert plots.plot_probabilities(bfloat16).get_images()[0].get_array().dtype == np.float64
    rng = np.random.default_rng(14)
    many = keras.ops.softmax(keras.ops.cast(rng.normal(size=(10_000, 10)), "bfloat16")).numpy()
    plots.check_probabilities(many)


def test_a_second_softmax_is_noticed_and_an_untrained_network_is_not_refused():
    labels = np.arange(10).repeat(3)
    sure = np.eye(10)[labels] * 0.98 + 0.002
    twice = np.exp(sure) / np.exp(sure).sum(axis=1, keepdims=True)
    with pytest.raises(ValueError, match="softmax run twice"):
        plots.plot_reliability(labels, {"one": twice})
    assert not plt.get_fignums()
    plots.plot_reliability(
        labels[::-1], {"one": twice}
    )  # low and wrong: a network may be like that
    plots.plot_reliability(
        labels, {"one": np.eye(10)[labels] * 0.15 + 0.085}
    )  # right and above 0.232


def test_rounding_is_no_mistake():
    plots.plot_probabilities(BY_ROW[0] * 1.0005)


@pytest.mark.skipif(
    not matplotlib.__version__.startswith("3.11."),
    reason="the reference images are by matplotlib 3.11; another one lays text out by other rules",
)
@pytest.mark.mpl_image_compare(
    baseline_dir="baseline",
    remove_text=True,
    tolerance=6,
    savefig_kwargs={"dpi": 60},
    style="chapter14.style",
)
@pytest.mark.parametrize("plot", PANELS, ids=lambda f: f.__name__)
def test_picture(plot):
    return plot(*PANELS[plot]).figure
