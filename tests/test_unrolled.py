import subprocess
import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from chapter14 import unrolled

COST_STEPS = [2, 3, 4]
NORMS = {
    "entering": np.array([0, 0, 1, 2, 4.0]),
    "carried": np.array([0.5, 1, 1.5, 2, 3]),
    "landing": np.array([0.25, 0.75, 1.25, 2.5, 5]),
}
STATES = np.array([[0.1, -0.5, 0.9], [0.3, 0.2, -0.8], [-0.4, 0.6, 0.05]])
DELTAS = np.array([[0.2, -0.1, 0.3], [1.0, 0.5, -0.4], [-2.0, 0.7, 0.6]])
RECORD = {
    "states": STATES,
    "entering": np.array([[0, 0, 0], [0, 0, 0], [3.0, 4.0, 0]]),
    "carried": np.array([[0, 0, 1.0], [0, 2, 0], [2.5, 0, 0]]),
    "deltas": DELTAS,
    "terms": np.stack([np.outer(STATES[t, :2], DELTAS[t]) for t in range(3)]),
}
PASSES = {name: RECORD[name] for name in ("states", "deltas", "terms")}


@pytest.fixture(autouse=True)
def _style_and_no_other_figures():
    plt.close("all")
    with plt.style.context("chapter14.style"):
        yield
    plt.close("all")


def draw(timesteps=5, cost_steps=COST_STEPS, **changed):
    return unrolled.draw_unrolled(timesteps, cost_steps, **(NORMS | changed))


def gids(ax, start):
    found = [patch.get_gid() for patch in ax.patches]
    return {gid.removeprefix(start) for gid in found if gid.startswith(start)} - {"key"}


def find(ax, gid):
    (artist,) = (a for a in [*ax.patches, *ax.texts] if a.get_gid() == gid)
    return artist


def width_of(arrow):
    """Measure the shaft: its corners lie on two lines, and the head only beyond them."""
    corners = arrow.get_xy()
    across = 1 if np.ptp(corners[:, 0]) > np.ptp(corners[:, 1]) else 0
    return np.ptp(np.sort(corners[:-1, across])[1:-1])


FORWARD = (
    {f"x{t}-h{t}" for t in range(5)}
    | {f"h{t - 1}-h{t}" for t in range(5)}
    | {f"h{t}-y{t}" for t in range(5)}
    | {"y2-cost", "y3-cost", "y4-cost"}
)
BACKWARD = (
    {f"cost-y{t}" for t in COST_STEPS}
    | {f"y{t}-h{t}" for t in COST_STEPS}
    | {f"h{t}-h{t - 1}" for t in range(5)}
    | {f"h{t}-parameters" for t in range(5)}
)


def test_every_arrow_of_both_passes_is_there_and_no_other():
    ax = draw()
    assert gids(ax, "forward-") == FORWARD
    assert gids(ax, "gradient-") == BACKWARD
    assert gids(unrolled.draw_unrolled(5, COST_STEPS), "forward-") == FORWARD
    assert not gids(unrolled.draw_unrolled(5, COST_STEPS), "gradient-")


def test_forward_is_dashed_and_the_gradient_solid_and_of_its_own_colour():
    ax = draw()
    for patch in ax.patches:
        if patch.get_gid().startswith("forward-"):
            assert patch.get_linestyle() == (0, (4, 2.5))
        elif patch.get_gid().startswith("gradient-"):
            assert patch.get_linestyle() in ("-", "solid")
            assert to_hex(patch.get_facecolor()) == unrolled.GRADIENT.lower()


@pytest.mark.parametrize("size", [1e-300, 1e-9, 1, 1e6, 1e99])
def test_a_gradient_arrow_is_as_wide_as_its_norm_on_one_scale(size):
    ax = draw(**{name: norms * size for name, norms in NORMS.items()})
    norms = {f"cost-y{t}": NORMS["entering"][t] for t in COST_STEPS}
    norms |= {f"y{t}-h{t}": NORMS["entering"][t] for t in COST_STEPS}
    norms |= {f"h{t}-h{t - 1}": NORMS["carried"][t] for t in range(5)}
    norms |= {f"h{t}-parameters": NORMS["landing"][t] for t in range(5)}
    widths = {name: width_of(find(ax, f"gradient-{name}")) for name in norms}
    for name, norm in norms.items():
        assert widths[name] == pytest.approx(unrolled.WIDEST * norm / 5), name


def test_arrows_point_the_way_the_pass_goes():
    ax = draw()
    for gid, axis, sign in [
        ("gradient-cost-y3", 1, -1),
        ("gradient-y3-h3", 1, -1),
        ("gradient-h3-h2", 0, -1),
        ("gradient-h3-parameters", 1, -1),
    ]:
        arrow = find(ax, gid)
        assert np.sign((arrow._dx, arrow._dy)[axis]) == sign, gid
    for gid, axis in [("x3-h3", 1), ("h2-h3", 0), ("h3-y3", 1), ("y3-cost", 1)]:
        start, end = find(ax, f"forward-{gid}")._posA_posB
        assert end[axis] > start[axis], gid


def test_beside_each_arrow_stands_its_norm():
    ax = draw()
    texts = {t.get_gid().removeprefix("norm-"): t for t in ax.texts if "norm-" in str(t.get_gid())}
    assert set(texts) == BACKWARD - {f"y{t}-h{t}" for t in COST_STEPS}
    assert texts["cost-y2"].get_text() == "1.00"
    assert texts["h0-parameters"].get_text() == "0.25"
    tiny = draw(carried=[3e-9, 0.004, 0.005, 999.9, 1.6e6])
    written = [find(tiny, f"norm-h{t}-h{t - 1}").get_text() for t in range(5)]
    assert written == ["3e−9", "4e−3", "0.01", "999.9", "2e6"]


def test_a_norm_of_zero_has_no_arrow_and_no_number():
    ax = draw(carried=[0, 0, 1, 0, 1], landing=[0, 1, 1, 1, 1], entering=[0, 0, 0, 0, 1])
    gone = {"h0-h-1", "h1-h0", "h3-h2", "h0-parameters", "cost-y2", "y2-h2", "cost-y3", "y3-h3"}
    assert gids(ax, "gradient-") == BACKWARD - gone
    assert not gone & {str(text.get_gid()).removeprefix("norm-") for text in ax.texts}


@pytest.mark.parametrize("cost_steps", [[4], [0, 3], [2], [0, 1, 2, 3, 4]])
def test_ignored_outputs_are_pale_dashed_and_named_and_the_others_are_not(cost_steps):
    ax = unrolled.draw_unrolled(5, cost_steps)
    words = {t.get_gid() for t in ax.texts if t.get_text() == "ignored"}
    assert words == {f"ignored-y{t}" for t in range(5) if t not in cost_steps}
    for t in range(5):
        ignored = t not in cost_steps
        box = find(ax, f"node-y{t}")
        colour = unrolled.FAINT if ignored else unrolled.OUTPUT
        assert to_hex(box.get_edgecolor()) == colour.lower()
        assert (box.get_linestyle() not in ("-", "solid")) == ignored
        arrow = find(ax, f"forward-h{t}-y{t}")
        assert (to_hex(arrow.get_edgecolor()) == unrolled.FAINT) == ignored
        assert (f"y{t}-cost" in gids(ax, "forward-")) != ignored


@pytest.mark.parametrize(
    ("cost_steps", "words"),
    [
        ([7], "cost $C(y(7))$"),
        ([0, 3], "cost $C(y(0), y(3))$"),
        (range(8), "cost $C(y(0),\\ …,\\ y(7))$"),
        ([0, 1, 2, 3, 7], "cost $C(y(0), y(1), y(2), y(3), y(7))$"),  # no dots over a gap
    ],
)
def test_the_cost_names_its_outputs_and_its_words_fit(cost_steps, words):
    ax = unrolled.draw_unrolled(8, cost_steps)
    label = find(ax, "label-cost")
    assert label.get_text() == words
    ax.figure.draw_without_rendering()
    inside, outside = label.get_window_extent(), find(ax, "node-cost").get_window_extent()
    assert inside.width < outside.width


@pytest.mark.parametrize("timesteps", [1, 2, 3, 4, 5, 8])
def test_words_stay_in_their_boxes_apart_from_each_other_and_on_the_paper(timesteps):
    norms = np.full(timesteps, 1e-9)
    ax = draw(timesteps, range(timesteps), entering=norms, carried=norms, landing=norms)
    ax.figure.draw_without_rendering()
    paper = ax.figure.bbox
    boxes = [text.get_window_extent() for text in ax.texts]
    for text, box in zip(ax.texts, boxes, strict=True):
        assert paper.x0 <= box.x0 < box.x1 <= paper.x1, text
        assert paper.y0 <= box.y0 < box.y1 <= paper.y1, text
        assert sum(box.overlaps(other) for other in boxes) == 1, text
        gid = str(text.get_gid())
        if gid.startswith("label-"):
            frame = find(ax, gid.replace("label-", "node-")).get_window_extent()
            assert frame.x0 <= box.x0 < box.x1 <= frame.x1, text


def test_moment_by_moment_the_drawing_shows_what_has_happened():
    for moment in range(11):
        ax = draw(moment=moment)
        dark = {
            patch.get_gid().removeprefix("forward-")
            for patch in ax.patches
            if patch.get_gid().startswith("forward-")
            and to_hex(patch.get_edgecolor()) == unrolled.FORWARD
        } - {"key"}
        reached = range(min(moment, 4) + 1)
        expected = {f"x{t}-h{t}" for t in reached} | {f"h{t - 1}-h{t}" for t in reached}
        expected |= {f"h{t}-y{t}" for t in reached if t in COST_STEPS}
        expected |= {f"y{t}-cost" for t in COST_STEPS if moment >= 5}
        assert dark == expected, moment
        back = range(10 - moment, 5)
        arrows = {f"h{t}-parameters" for t in back}
        arrows |= {f"cost-y{t}" for t in back if t in COST_STEPS}
        arrows |= {f"y{t}-h{t}" for t in back if t in COST_STEPS}
        arrows |= {f"h{t}-h{t - 1}" for t in back if t - 1 in back or t == 0}
        assert gids(ax, "gradient-") == arrows, moment
        strong = {p.get_gid(): to_hex(p.get_edgecolor()) for p in ax.patches if p.get_lw() > 2}
        if moment < 5:
            assert strong == {f"node-h{moment}": unrolled.STATE.lower()}
        elif moment == 5:
            assert strong == {"node-cost": unrolled.COST.lower()}
        else:
            assert strong == {f"node-h{10 - moment}": unrolled.GRADIENT.lower()}
        plt.close("all")
    assert not [p for p in draw().patches if p.get_lw() > 2]  # the whole has no now


def test_drawings_go_on_the_axes_that_they_are_given():
    _, ax = plt.subplots()
    assert unrolled.draw_unrolled(2, [1], ax=ax) is ax
    assert unrolled.draw_heat_map([[1.0]], ax=ax) is ax
    assert len(plt.get_fignums()) == 1
    assert unrolled.draw_heat_map([[1.0]]) is not ax


def test_heat_map_writes_every_number_on_its_colour():
    values = np.array([[0.5, -1.0, 0.0], [-0.001, 0.9, 0.004]])
    ax = unrolled.draw_heat_map(values, rows=["a", "b"], columns=["x", "y", "z"])
    texts = {text.get_position(): text for text in ax.texts}
    written = [[texts[column, row].get_text() for column in range(3)] for row in range(2)]
    assert written == [["0.50", "−1.00", "0.00"], ["0.00", "0.90", "0.00"]]
    (image,) = ax.images
    assert image.get_clim() == (-1, 1)
    assert image.get_interpolation() == "nearest"  # whatever the reader's own style says
    red, _, blue, _ = image.cmap(image.norm(0.9))
    assert red > 2 * blue
    red, _, blue, _ = image.cmap(image.norm(-1.0))
    assert blue > 2 * red
    assert np.allclose(image.cmap(image.norm(0.0))[:3], 0.97, atol=0.01)
    assert texts[1, 0].get_color() == texts[1, 1].get_color() == "white"
    assert texts[0, 0].get_color() != "white"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["x", "y", "z"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]


def test_heat_map_takes_a_limit_leaves_open_what_is_hidden_and_writes_any_size():
    ax = unrolled.draw_heat_map([[1.0, 2.0]], limit=4, shown=[[True, False]])
    assert ax.images[0].get_clim() == (-4, 4)
    assert ax.images[0].get_array().mask.tolist() == [[False, True]]
    assert [text.get_text() for text in ax.texts] == ["1.00"]
    for values, written in [
        ([[-3.4e-9, 0.0]], ["−3e−9", "0.00"]),
        ([[123.46, -5.0]], ["123.5", "−5.0"]),
        ([[2.6e6, 7.0]], ["3e6", "7e0"]),
        ([[0.0, -0.0]], ["0.00", "0.00"]),
    ]:
        ax = unrolled.draw_heat_map(values)
        assert [text.get_text() for text in ax.texts] == written
        ax.figure.draw_without_rendering()


@pytest.mark.parametrize(("size", "written"), [(400, 400), (401, 0)])
def test_a_large_heat_map_has_colours_alone(size, written):
    ax = unrolled.draw_heat_map(np.ones((1, size)))
    assert len(ax.texts) == written
    plt.close(ax.figure)


def numbers(ax):
    return [text.get_text() for text in ax.texts]


def test_a_moment_shows_states_deltas_and_a_running_sum_that_lands_on_the_total():
    terms = RECORD["terms"]
    limits = set()
    for moment in range(7):
        figure = unrolled.draw_moment(moment, **RECORD)
        network, states, deltas, running, total = figure.axes
        assert gids(network, "ignored") == set()
        forward, back = min(moment + 1, 3), max(moment - 3, 0)
        shown = np.broadcast_to(np.arange(3) < forward, (3, 3))
        assert np.array_equal(states.images[0].get_array().filled(9), np.where(shown, STATES.T, 9))
        shown = np.broadcast_to(np.arange(3) >= 3 - back, (3, 3))
        assert np.array_equal(deltas.images[0].get_array().filled(9), np.where(shown, DELTAS.T, 9))
        if back:
            assert np.allclose(running.images[0].get_array(), terms[3 - back :].sum(axis=0))
        else:
            assert running.images[0].get_array().mask.all()
            assert not running.texts
        assert np.allclose(total.images[0].get_array(), terms.sum(axis=0))
        titles = ["No term yet", "Sum of 1 term", "Sum of 2 terms", "Sum of 3 terms"]
        assert running.get_title("left") == titles[back]
        assert figure.subfigs[0].get_suptitle() == unrolled.describe_moment(moment, 3)
        limits.add((running.images[0].get_clim(), total.images[0].get_clim()))
    assert numbers(running) == numbers(total)
    assert len(limits) == 1  # a colour means the same number at every moment
    assert not plt.get_fignums()


def test_a_moment_draws_the_norms_of_what_was_recorded():
    network = unrolled.draw_moment(6, **RECORD).axes[0]
    assert find(network, "norm-cost-y2").get_text() == "5.00"
    assert gids(network, "gradient-cost") == {"-y2"}
    for t, norm in enumerate([1, 2, 2.5]):
        assert find(network, f"norm-h{t}-h{t - 1}").get_text() == f"{norm:.2f}"
        landing = np.sqrt((RECORD["terms"][t] ** 2).sum())
        assert find(network, f"norm-h{t}-parameters").get_text() == f"{landing:.2f}"


def test_the_running_sum_adds_term_after_term_from_the_last_step_to_the_first():
    figure = unrolled.draw_running_sum(**PASSES, rows=["first", "second"])
    states, deltas, *sums = figure.axes
    assert np.array_equal(states.images[0].get_array(), STATES.T)
    assert np.array_equal(deltas.images[0].get_array(), DELTAS.T)
    titles = [ax.get_title("left") for ax in sums]
    assert titles == ["step 2", "+ step 1", "+ step 0\n= the whole"]
    terms = RECORD["terms"]
    for count, ax in enumerate(sums, start=1):
        assert np.allclose(ax.images[0].get_array(), terms[3 - count :].sum(axis=0))
    assert len({ax.images[0].get_clim() for ax in sums}) == 1
    assert [label.get_text() for label in sums[0].get_yticklabels()] == ["first", "second"]
    assert not plt.get_fignums()


def test_a_moment_is_told_in_words():
    words = [unrolled.describe_moment(moment, 2) for moment in range(5)]
    assert words[0] == "Forward, step 0: x(0) and the initial state make h(0)"
    assert words[1] == "Forward, step 1: x(1) and the state h(0) make h(1)"
    assert words[2].startswith("The cost")
    assert words[3].startswith("Backward, step 1:")
    assert words[4].startswith("Backward, step 0:")


def page(number):
    figure = plt.figure(figsize=(1, 1))
    figure.text(0.1, 0.5, "x" * number)
    plt.close(figure)
    return figure


def size_of(png):
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return png[16:24]


def test_flip_book_turns_by_slider_and_buttons_and_stops_at_both_ends():
    book = unrolled.flip_book(page, ["zero", "one", "two"], name="leaf")
    pictures = []
    for number, caption in enumerate(["zero", "one", "two"]):
        book.slider.value = number
        assert book.caption.value == caption
        pictures.append(bytes(book.image.value))
    assert len(set(pictures)) == 3
    assert len({size_of(picture) for picture in pictures}) == 1  # nothing jumps
    book.forward.click()
    assert (book.slider.value, book.image.value) == (2, pictures[2])
    for number, caption in [(1, "one"), (0, "zero"), (0, "zero")]:
        book.back.click()
        assert book.slider.value == number
        assert (book.caption.value, book.image.value) == (caption, pictures[number])
    book.forward.click()
    assert (book.slider.value, book.image.value) == (1, pictures[1])
    assert (book.slider.min, book.slider.max, book.play.min, book.play.max) == (0, 2, 0, 2)
    assert book.slider.description == "leaf"


def test_play_drives_the_slider_in_the_browser(monkeypatch):
    linked = []
    monkeypatch.setattr("ipywidgets.jslink", lambda *ends: linked.append(ends))
    book = unrolled.flip_book(page, ["zero", "one"])
    assert linked == [((book.play, "value"), (book.slider, "value"))]


def test_the_player_has_a_page_for_every_moment_and_needs_no_network(monkeypatch):
    import socket

    def refuse(*_):
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    record = {name: array[2:] for name, array in RECORD.items()}
    player = unrolled.play_bptt(**record)
    assert (player.slider.min, player.slider.max) == (0, 2)
    sizes, pictures = set(), set()
    for moment in range(3):
        assert player.caption.value == unrolled.describe_moment(moment, 1)
        sizes.add(size_of(player.image.value))
        pictures.add(bytes(player.image.value))
        player.forward.click()
    assert (len(sizes), len(pictures)) == (1, 3)
    assert not plt.get_fignums()


def test_importing_unrolled_brings_neither_tensorflow_nor_widgets():
    heavy = {"tensorflow", "keras", "ipywidgets", "IPython"}
    code = f"import sys, chapter14.unrolled; print(sorted({heavy} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    root = Path(__file__).parents[1]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert result.stdout.strip() == "[]"


EXAMPLES = {
    unrolled.draw_unrolled: {"timesteps": 5, "cost_steps": COST_STEPS, "moment": 3, **NORMS},
    unrolled.draw_heat_map: {
        "values": STATES,
        "limit": 1,
        "shown": STATES > 0,
        "rows": ["a", "b", "c"],
        "columns": ["a", "b", "c"],
    },
    unrolled.draw_moment: {"moment": 4, "rows": ["a", "b"], **RECORD},
    unrolled.describe_moment: {"moment": 4, "timesteps": 3},
    unrolled.draw_running_sum: {"rows": ["a", "b"], **PASSES},
    unrolled.play_bptt: {"rows": ["a", "b"], **RECORD},
    unrolled.flip_book: {"draw": page, "captions": ["zero", "one"], "name": "leaf"},
}

BAD = [
    (
        unrolled.draw_unrolled,
        {"timesteps": 0},
        "timesteps: expected an integer from 1 to 50, got 0",
    ),
    (unrolled.draw_unrolled, {"timesteps": 51}, "timesteps: expected an integer from 1 to 50"),
    (unrolled.draw_unrolled, {"timesteps": True}, "timesteps: expected an integer, got bool"),
    (unrolled.draw_unrolled, {"cost_steps": []}, r"cost_steps: expected shape \(n\), got \(0,\)"),
    (unrolled.draw_unrolled, {"cost_steps": [5]}, "cost_steps: expected values from 0 to 4, got 5"),
    (unrolled.draw_unrolled, {"cost_steps": [3, 2]}, "cost_steps: expected each step once, in ord"),
    (unrolled.draw_unrolled, {"entering": None}, "entering: expected the norms of all three kinds"),
    (unrolled.draw_unrolled, {"entering": np.ones(5)}, "entering: expected zero where the cost"),
    (unrolled.draw_unrolled, {"entering": np.zeros(5)}, "entering: expected a norm above zero"),
    (unrolled.draw_unrolled, {"carried": -np.ones(5)}, "carried: expected values from 0 to"),
    (unrolled.draw_unrolled, {"landing": np.ones(4)}, r"landing: expected shape \(5\), got \(4,\)"),
    (unrolled.draw_unrolled, {"moment": 11}, "moment: expected an integer from 0 to 10, got 11"),
    (unrolled.draw_unrolled, {"ax": "axes"}, "ax: expected matplotlib Axes, got str"),
    (unrolled.draw_heat_map, {"ax": plt}, "ax: expected matplotlib Axes, got module"),
    (unrolled.draw_heat_map, {"values": [1.0]}, r"values: expected shape \(n, n\), got \(1,\)"),
    (unrolled.draw_heat_map, {"values": STATES * 1e101}, "values: expected values from -1e.100 to"),
    (unrolled.draw_moment, {"terms": RECORD["terms"] * 1e200}, "terms: expected values from -1e"),
    (unrolled.draw_heat_map, {"limit": 0}, "limit: expected a positive number, got 0"),
    (unrolled.draw_heat_map, {"shown": STATES}, "shown: expected booleans, got dtype float64"),
    (unrolled.draw_heat_map, {"rows": "abc"}, "rows: expected a list of words, got str"),
    (unrolled.draw_heat_map, {"columns": ["a"]}, "columns: expected 3 words, got 1"),
    (unrolled.draw_moment, {"moment": 7}, "moment: expected an integer from 0 to 6, got 7"),
    (unrolled.draw_moment, {"entering": STATES * 0}, "entering: expected a number other than zero"),
    (unrolled.draw_moment, {"rows": ["a"]}, "rows: expected 2 words, got 1"),
    (unrolled.draw_moment, {"states": np.ones((51, 3))}, "states: expected at most 50 timesteps"),
    (unrolled.describe_moment, {"timesteps": 0}, "timesteps: expected an integer from 1, got 0"),
    (unrolled.draw_running_sum, {"deltas": STATES[:2]}, r"deltas: expected shape \(3, 3\), got"),
    (unrolled.draw_running_sum, {"terms": STATES}, r"terms: expected shape \(3, n, 3\), got"),
    (unrolled.draw_running_sum, {"rows": [1, 2]}, "rows: expected words only, got"),
    (unrolled.play_bptt, {"deltas": STATES * np.inf}, "deltas: expected finite numbers"),
    (unrolled.play_bptt, {"rows": ["a"]}, "rows: expected 2 words, got 1"),
    (unrolled.flip_book, {"draw": 3}, "draw: expected a function, got int"),
    (unrolled.flip_book, {"draw": str}, "draw: expected it to return a Figure, got str"),
    (unrolled.flip_book, {"captions": []}, "captions: expected at least one word, got 0"),
    (unrolled.flip_book, {"name": None}, "name: expected a word, got NoneType"),
]


@pytest.mark.parametrize(("function", "changed", "message"), BAD)
def test_bad_input_names_the_argument_what_was_expected_and_what_came(function, changed, message):
    with pytest.raises((ValueError, TypeError), match=message):
        function(**(EXAMPLES[function] | changed))
    assert not plt.get_fignums()  # nothing half drawn is left behind


ANY_ARRAY = hnp.arrays(
    st.sampled_from([np.float64, np.int64, np.uint8, np.bool_, np.dtype("U2")]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6),
)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("function", EXAMPLES, ids=lambda f: f.__name__)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_array_for_any_argument_is_drawn_or_named(function, data):
    arguments = dict(EXAMPLES[function])
    name = data.draw(st.sampled_from(sorted(arguments)))
    like = np.asarray(arguments[name])
    of_its_shape = hnp.arrays(np.float64, like.shape if like.dtype.kind in "iufb" else (2,))
    # pages take long to draw: of a record, less often one that may pass; of a player, none
    often = {unrolled.draw_moment: 4, unrolled.draw_running_sum: 3, unrolled.play_bptt: 99}
    rare = data.draw(st.integers(1, often.get(function, 2)))
    good = rare == 1 and function is not unrolled.play_bptt
    arguments[name] = data.draw(of_its_shape if good else ANY_ARRAY)
    try:
        function(**arguments)
    except (ValueError, TypeError) as error:
        message = str(error)
        assert "expected" in message
    else:
        message = f"{name}: drawn"
    # arrays that must be as long as each other: the message may name the partner
    partners = {"states": "deltas", "timesteps": "moment", "values": "shown", "terms": "rows"}
    partners["cost_steps"] = "entering"
    assert message.startswith((f"{name}:", f"{partners.get(name)}:"))
    plt.close("all")


same_matplotlib = pytest.mark.skipif(
    not matplotlib.__version__.startswith("3.11."),
    reason="the reference images are by matplotlib 3.11; another one lays text out by other rules",
)
COMPARE = {
    "baseline_dir": "baseline",
    "remove_text": True,
    "tolerance": 6,
    "savefig_kwargs": {"dpi": 60},
    "style": "chapter14.style",
}


def without_words(figure):
    for words in figure.findobj(Text):
        words.set_text("")
    return figure


@same_matplotlib
@pytest.mark.mpl_image_compare(**COMPARE)
def test_picture_of_the_unrolled_network() -> Figure:
    return without_words(draw().figure)


@same_matplotlib
@pytest.mark.mpl_image_compare(**COMPARE)
def test_picture_of_the_unrolled_network_at_one_moment() -> Figure:
    return without_words(unrolled.draw_moment(5, **RECORD))


@same_matplotlib
@pytest.mark.mpl_image_compare(**COMPARE)
def test_picture_of_the_unrolled_running_sum() -> Figure:
    return without_words(unrolled.draw_running_sum(**PASSES))
