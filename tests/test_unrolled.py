import ipywidgets
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from chapter14 import unrolled

NORMS = {
    "d_outputs": np.array([0, 0, 1, 2, 4.0]),
    "carried": np.array([0.5, 1, 1.5, 2, 3]),
    "landing": np.array([0.25, 0.75, 1.25, 2.5, 5]),
}
STATES = np.array([[0.1, -0.5, 0.9], [0.3, 0.2, -0.8], [-0.4, 0.6, 0.05]])
DELTAS = np.array([[0.2, -0.1, 0.3], [-1.0, 0.5, -0.4], [-2.0, 0.7, 0.6]])
RECORD = unrolled.Record(
    states=STATES,
    d_outputs=np.array([[0, 0, 0], [0, 0, 0], [3.0, 4.0, 0]]),
    carried=np.array([[0, 0, 1.0], [0, 2, 0], [2.5, 0, 0]]),
    deltas=DELTAS,
    terms=np.stack([np.outer(STATES[t, :2], DELTAS[t]) for t in range(3)]),
    rows=["first", "second"],
)
for array in (STATES, DELTAS, RECORD.terms, *NORMS.values()):
    array.flags.writeable = False  # nobody changes the reader's data


@pytest.fixture(autouse=True)
def _style_and_no_other_figures():
    plt.close("all")
    with plt.style.context("chapter14.style"):
        before = dict(plt.rcParams)
        yield
        assert dict(plt.rcParams) == before
    plt.close("all")


def draw(timesteps=5, loss_steps=(2, 3, 4), **changed):
    return unrolled.draw_unrolled(timesteps, loss_steps, **(NORMS | changed))


def names(ax, start):
    found = [artist.get_gid() or "" for artist in [*ax.patches, *ax.texts]]
    return {gid.removeprefix(start) for gid in found if gid.startswith(start)}


def find(ax, gid):
    (artist,) = (artist for artist in [*ax.patches, *ax.texts] if artist.get_gid() == gid)
    return artist


def pale(ax, start):
    found = {name: find(ax, start + name).get_edgecolor() for name in names(ax, start)}
    return {name for name, color in found.items() if to_hex(color) == unrolled.FAINT}


def written(ax):
    return [text.get_text() for text in ax.texts]


def forward_arrows(steps, loss_steps):
    arrows = {f"x{t}-h{t}" for t in steps} | {f"h{t - 1}-h{t}" for t in steps}
    return arrows | {f"h{t}-y{t}" for t in steps if t in loss_steps}


def gradient_norms(steps, loss_steps=(2, 3, 4)):
    norms = {f"h{t}-h{t - 1}": NORMS["carried"][t] for t in steps}
    norms |= {f"h{t}-parameters": NORMS["landing"][t] for t in steps}
    for t in set(steps) & set(loss_steps):
        norms |= {f"loss-y{t}": NORMS["d_outputs"][t], f"y{t}-h{t}": NORMS["d_outputs"][t]}
    return norms


@pytest.mark.parametrize("loss_steps", [[4], [0, 3], [2, 3, 4], [0, 1, 2, 3, 4]])
def test_the_loss_steps_decide_which_arrows_are_drawn_and_which_outputs_are_ignored(loss_steps):
    ax = unrolled.draw_unrolled(5, loss_steps)
    ignored = set(range(5)) - set(loss_steps)
    used = {f"y{t}-loss" for t in loss_steps}
    unused = {f"h{t}-y{t}" for t in ignored}
    assert names(ax, "forward-") == forward_arrows(range(5), loss_steps) | used | unused
    assert pale(ax, "forward-") == unused
    assert not names(ax, "gradient-")
    assert names(ax, "ignored-") == pale(ax, "node-") == {f"y{t}" for t in ignored}
    assert written(ax).count("ignored") == len(ignored)
    for t in range(5):
        assert (find(ax, f"node-y{t}").get_linestyle() == "-") == (t in loss_steps)


def test_with_norms_there_is_a_gradient_arrow_for_each_and_its_number():
    ax = draw()
    norms = gradient_norms(range(5))
    assert names(ax, "gradient-") == set(norms)
    numbers = {name: find(ax, f"norm-{name}").get_text() for name in names(ax, "norm-")}
    expected = {name: f"{norm:.2f}" for name, norm in norms.items() if name[0] != "y"}
    assert numbers == expected  # from an output to its state it's the same number again
    for patch in ax.patches:
        if patch.get_gid().startswith("forward-"):
            assert patch.get_linestyle() not in ("-", "solid")
        elif patch.get_gid().startswith("gradient-"):
            assert patch.get_linestyle() in ("-", "solid")
            assert to_hex(patch.get_facecolor()) == unrolled.GRADIENT.lower()
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["forward", "gradient (width: norm)"]


@pytest.mark.parametrize("size", [1e-9, 1, 1e6])
def test_a_gradient_arrow_is_as_wide_as_its_norm_on_one_scale(size):
    ax = draw(**{name: norms * size for name, norms in NORMS.items()})
    for name, norm in gradient_norms(range(5)).items():
        corners = find(ax, f"gradient-{name}").get_xy()
        across = 1 if np.ptp(corners[:, 0]) > np.ptp(corners[:, 1]) else 0
        shaft = np.sort(corners[:-1, across])[1:-1]  # only the head lies farther out
        assert np.ptp(shaft) == pytest.approx(0.4 * norm / 5), name


def test_what_lands_on_each_parameter_is_written_beside_one_arrow():
    parts = {"kernel": np.array([0, 3.0, 3, 3, 3]), "bias": np.array([1.0, 4, 0, 4, 4])}
    ax = draw(landing=parts)
    whole = draw(landing=[1, 5, 3, 5, 5])
    for t, numbers in enumerate([("0.00", "1.00"), ("3.00", "4.00"), ("3.00", "0.00")]):
        name = f"h{t}-parameters"
        words = find(ax, f"norm-{name}").get_text()
        assert words == f"kernel {numbers[0]}\nbias {numbers[1]}"
        arrow = find(ax, f"gradient-{name}").get_xy()
        assert np.allclose(arrow, find(whole, f"gradient-{name}").get_xy())


def test_what_lands_on_each_parameter_is_written_apart_from_everything_else():
    parts = dict.fromkeys(("$W_x$", "$W_h$", "$b$"), NORMS["landing"])
    ax = draw(landing=parts)
    ax.figure.draw_without_rendering()
    boxes = [find(ax, f"node-{name}") for name in names(ax, "node-")]
    others = [artist.get_window_extent() for artist in [*ax.texts, *boxes]]
    for t in range(5):
        extent = find(ax, f"norm-h{t}-parameters").get_window_extent()
        assert sum(extent.overlaps(other) for other in others) == 1, t  # itself


def test_arrows_point_the_way_the_pass_goes():
    ax = draw()
    for name in gradient_norms(range(5)):
        tip = find(ax, f"gradient-{name}").get_xy()[0]
        rest = find(ax, f"gradient-{name}").get_xy().mean(axis=0)
        axis = 0 if name.startswith("h") and "parameters" not in name else 1
        assert tip[axis] < rest[axis], name  # left or down
    for name in names(ax, "forward-"):
        x, y = find(ax, f"forward-{name}").get_path().vertices[[0, 2]].T
        assert x[1] > x[0] or y[1] > y[0], name  # right or up


def test_a_norm_of_zero_has_no_arrow_and_no_number():
    ax = draw(d_outputs=[0, 0, 0, 0, 1], carried=[0, 0, 1, 0, 1], landing=[0, 1, 1, 1, 1])
    gone = {"h0-h-1", "h1-h0", "h3-h2", "h0-parameters", "loss-y2", "y2-h2", "loss-y3", "y3-h3"}
    assert names(ax, "gradient-") == set(gradient_norms(range(5))) - gone
    assert not gone & names(ax, "norm-")


@pytest.mark.parametrize("frame", range(11))
def test_frame_by_frame_the_drawing_shows_what_has_happened(frame):
    ax = draw(frame=frame)
    dark = forward_arrows(range(min(frame, 4) + 1), (2, 3, 4))
    if frame >= 5:
        dark |= {"y2-loss", "y3-loss", "y4-loss"}
    assert names(ax, "forward-") - pale(ax, "forward-") == dark
    coming = {f"{kind}{t}" for kind in "xhy" for t in range(5) if t > frame} | {"y0", "y1"}
    coming |= {"loss"} if frame < 5 else set()
    coming |= {"parameters"} if frame <= 5 else set()
    assert pale(ax, "node-") == coming
    back = range(10 - frame, 5)
    arrows = set(gradient_norms(back))
    if 0 < back.start < 5:
        arrows -= {f"h{back.start}-h{back.start - 1}"}  # the state before takes it a frame later
    assert names(ax, "gradient-") == arrows
    thick = {p.get_gid(): to_hex(p.get_edgecolor()) for p in ax.patches if p.get_lw() > 2}
    if frame < 5:
        assert thick == {f"node-h{frame}": unrolled.STATE.lower()}
    elif frame == 5:
        assert thick == {"node-loss": unrolled.LOSS.lower()}
    else:
        assert thick == {f"node-h{10 - frame}": unrolled.GRADIENT.lower()}
    assert not [p for p in draw().patches if p.get_lw() > 2]  # the whole highlights nothing


@pytest.mark.parametrize("timesteps", [1, 3, 8])
def test_words_stay_in_their_boxes_apart_from_each_other_and_on_the_paper(timesteps):
    norms = np.full(timesteps, 1e-9)
    ax = draw(timesteps, range(timesteps), d_outputs=norms, carried=norms, landing=norms)
    ax.figure.draw_without_rendering()
    paper = ax.figure.bbox
    texts = [*ax.texts, *ax.get_legend().get_texts()]
    extents = [text.get_window_extent() for text in texts]
    for text, extent in zip(texts, extents, strict=True):
        assert paper.x0 <= extent.x0 < extent.x1 <= paper.x1, text
        assert paper.y0 <= extent.y0 < extent.y1 <= paper.y1, text
        assert sum(extent.overlaps(other) for other in extents) == 1, text
        if str(text.get_gid()).startswith("label-"):
            box = find(ax, text.get_gid().replace("label-", "node-")).get_window_extent()
            assert box.x0 <= extent.x0 < extent.x1 <= box.x1, text


@pytest.mark.parametrize(
    ("loss_steps", "words"),
    [
        ([3, 0], "loss $C(y(0), y(3))$"),
        (range(8), "loss $C(y(0),\\ …,\\ y(7))$"),
        ([0, 1, 2, 3, 7], "loss $C(y(0), y(1), y(2), y(3), y(7))$"),  # no dots over a gap
    ],
)
def test_the_loss_names_its_outputs(loss_steps, words):
    assert find(unrolled.draw_unrolled(8, loss_steps), "label-loss").get_text() == words


def test_drawings_go_on_the_axes_that_they_are_given():
    _, (ax, other) = plt.subplots(1, 2)
    plt.sca(other)
    assert unrolled.draw_unrolled(2, [1], ax=ax) is ax
    assert unrolled.draw_heat_map([[1.0]], ax=ax) is ax
    assert ax.figure.get_label() == ""
    assert len(plt.get_fignums()) == 1
    assert plt.gca() is other
    assert not other.has_data()
    assert unrolled.draw_heat_map([[1.0]]) is not ax


FLOWS = "flows back through the states to the parameters, each arrow as wide as its norm"


@pytest.mark.parametrize(
    ("loss_steps", "changed", "first", "second"),
    [
        ([4, 2], {"d_outputs": None}, "y(2), y(4)", ""),
        (range(5), {"d_outputs": None}, "y(0), …, y(4)", ""),
        ([2, 3, 4], {}, "y(2), y(3), y(4)", " The gradient enters at y(3), y(4) and {}."),
        ([2], {"d_outputs": np.zeros(5)}, "y(2)", " The gradient enters at no output and {}."),
        ([4], {"frame": 0}, "y(4)", " Forward, step 0: x(0) and the initial state make h(0)."),
    ],
)
def test_the_label_of_the_figure_says_what_is_drawn(loss_steps, changed, first, second):
    ax = draw(5, loss_steps, **({"d_outputs": [0, 0, 0, 2, 4]} | changed))
    words = f"A recurrent network unrolled over 5 timesteps, whose loss uses {first} alone."
    assert ax.figure.get_label() == words + second.format(FLOWS)


def test_heat_maps_say_what_they_show():
    assert "of 1 × 2 numbers" in unrolled.draw_heat_map([[1.0, 2.0]]).figure.get_label()
    label = unrolled.draw_running_sum(RECORD).get_label()
    assert "states h(t) and the gradients δ(t) of 3 timesteps" in label


def test_heat_map_writes_every_number_on_its_color():
    values = np.array([[0.5, -1.0, 0.0], [-0.001, 0.9, 0.004]])
    ax = unrolled.draw_heat_map(values, rows=["a", "b"])
    texts = {text.get_position(): text for text in ax.texts}
    rows = [[texts[column, row].get_text() for column in range(3)] for row in range(2)]
    assert rows == [["0.50", "−1.00", "0.00"], ["0.00", "0.90", "0.00"]]
    (image,) = ax.images
    assert image.get_clim() == (-1, 1)
    red, _, blue, _ = image.cmap(image.norm([0.9, -1.0, 0.0])).T
    assert red[0] > 2 * blue[0]
    assert blue[1] > 2 * red[1]
    assert min(red[2], blue[2]) > 0.95
    assert texts[1, 0].get_color() == texts[1, 1].get_color() == "white"
    assert texts[0, 0].get_color() == texts[2, 0].get_color() == "#222222"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1", "2"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]


def test_heat_map_takes_a_limit_and_leaves_open_what_is_not_shown():
    ax = unrolled.draw_heat_map([[1.0, 2.0]], limit=4, shown=[[True, False]])
    assert ax.images[0].get_clim() == (-4, 4)
    assert ax.images[0].get_array().mask.tolist() == [[False, True]]
    assert written(ax) == ["1.00"]
    assert ax.texts[0].get_color() == "#222222"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1"]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([-3.4e-9, 0.0], ["−3e−9", "0.00"]),
        ([0.004, 0.0], ["4e−3", "0.00"]),
        ([0.005, 0.0], ["0.01", "0.00"]),
        ([123.46, -5.0], ["123.5", "−5.0"]),
        ([1000.0, 7.0], ["1e3", "7e0"]),
        ([0.0, -0.0], ["0.00", "0.00"]),
    ],
)
def test_heat_map_writes_numbers_of_any_size(values, texts):
    ax = unrolled.draw_heat_map([values])
    assert written(ax) == texts
    if not any(values):  # zeros are white, not the deepest blue
        assert min(ax.images[0].cmap(ax.images[0].norm(0.0))) > 0.95


def test_a_frame_shows_states_deltas_and_a_running_sum_that_grows_to_the_total():
    limits = set()
    titles = ["No term yet", "Sum of 1 term", "Sum of 2 terms", "Sum of 3 terms"]
    for frame in range(7):
        figure = unrolled._draw_frame(RECORD, frame)
        network, states, deltas, running, total = figure.axes
        forward, back = min(frame + 1, 3), max(frame - 3, 0)
        shown = np.tile(np.arange(3) < forward, (3, 1))
        assert np.array_equal(states.images[0].get_array().filled(9), np.where(shown, STATES.T, 9))
        shown = np.tile(np.arange(3) >= 3 - back, (3, 1))
        assert np.array_equal(deltas.images[0].get_array().filled(9), np.where(shown, DELTAS.T, 9))
        if back:
            assert np.allclose(running.images[0].get_array(), RECORD.terms[-back:].sum(axis=0))
        assert running.images[0].get_array().mask.all() == (not back)
        assert np.allclose(total.images[0].get_array(), RECORD.terms.sum(axis=0))
        assert running.get_title("left") == titles[back]
        assert figure.get_suptitle() == unrolled._describe_frame(frame, 3)
        assert len([patch for patch in network.patches if patch.get_lw() > 2]) == 1
        limits.add((running.images[0].get_clim(), total.images[0].get_clim()))
    assert written(running) == written(total)
    largest = np.abs(np.cumsum(RECORD.terms[::-1], axis=0)).max()
    assert limits == {((-largest, largest), (-largest, largest))}  # a color keeps its meaning
    assert states.images[0].get_clim() == (-1, 1)
    assert [label.get_text() for label in total.get_yticklabels()] == RECORD.rows
    assert not plt.get_fignums()


def test_a_frame_draws_the_norms_of_what_was_recorded():
    network = unrolled._draw_frame(RECORD, 6).axes[0]
    assert find(network, "norm-loss-y2").get_text() == "5.00"
    assert names(network, "ignored-") == {"y0", "y1"}
    for t, norm in enumerate([1, 2, 2.5]):
        assert find(network, f"norm-h{t}-h{t - 1}").get_text() == f"{norm:.2f}"
        landing = np.sqrt((RECORD.terms[t] ** 2).sum())
        assert find(network, f"norm-h{t}-parameters").get_text() == f"{landing:.2f}"


def test_the_running_sum_adds_term_after_term_from_the_last_step_to_the_first():
    figure = unrolled.draw_running_sum(RECORD)
    states, deltas, *sums = figure.axes
    assert np.array_equal(states.images[0].get_array(), STATES.T)
    assert np.array_equal(deltas.images[0].get_array(), DELTAS.T)
    titles = [ax.get_title("left") for ax in sums]
    assert titles == ["step 2", "+ step 1", "+ step 0\n= the whole"]
    shown = [ax.images[0].get_array() for ax in sums]
    assert np.allclose(shown, np.cumsum(RECORD.terms[::-1], axis=0))
    assert len({ax.images[0].get_clim() for ax in sums}) == 1
    assert [label.get_text() for label in sums[0].get_yticklabels()] == RECORD.rows
    assert not plt.get_fignums()


def test_a_frame_is_described_in_words():
    words = [unrolled._describe_frame(frame, 2) for frame in range(5)]
    assert words[0] == "Forward, step 0: x(0) and the initial state make h(0)"
    assert words[1] == "Forward, step 1: x(1) and the state h(0) make h(1)"
    assert words[2].startswith("The loss")
    assert words[3].startswith("Backward, step 1:")
    assert words[4].startswith("Backward, step 0:")


def page(number):
    figure = plt.figure(figsize=(1, 1))
    figure.text(0.1, 0.5, "x" * number)
    return figure


def test_flip_book_turns_by_slider_and_buttons_and_stops_at_both_ends():
    book = unrolled.flip_book(page, ["zero", "one", "two"], name="leaf")
    first = (book.caption.value, bytes(book.image.value))
    pictures = []
    for number, caption in enumerate(["zero", "one", "two"]):
        book.slider.value = number
        assert book.caption.value == caption
        pictures.append(bytes(book.image.value))
    assert first == ("zero", pictures[0])
    assert len(set(pictures)) == 3
    assert len({picture[16:24] for picture in pictures}) == 1  # of one size: nothing jumps
    for button, number, caption in [
        (book.forward, 2, "two"),
        (book.back, 1, "one"),
        (book.back, 0, "zero"),
        (book.back, 0, "zero"),
        (book.forward, 1, "one"),
    ]:
        button.click()
        assert (book.slider.value, book.caption.value) == (number, caption)
        assert book.image.value == pictures[number]
    assert (book.slider.min, book.slider.max, book.play.min, book.play.max) == (0, 2, 0, 2)
    assert book.slider.description == "leaf"
    controls, *rest = book.children
    assert controls.children == (book.play, book.back, book.forward, book.slider)
    assert rest == [book.caption, book.image]
    assert not plt.get_fignums()


def test_play_drives_the_slider_in_the_browser(monkeypatch):
    linked = []
    monkeypatch.setattr(ipywidgets, "jslink", lambda *ends: linked.append(ends))
    book = unrolled.flip_book(page, ["zero", "one"])
    assert linked == [((book.play, "value"), (book.slider, "value"))]


def test_the_player_has_the_right_picture_for_every_frame():
    last = {
        name: getattr(RECORD, name)[2:] for name in ("states", "d_outputs", "carried", "deltas")
    }
    record = unrolled.Record(**last, terms=RECORD.terms[2:])
    player = unrolled.play_bptt(record)
    assert player.slider.max == 2
    for frame in range(3):
        assert player.caption.value == unrolled._describe_frame(frame, 1)
        expected = unrolled.flip_book(lambda _, f=frame: unrolled._draw_frame(record, f), [""])
        assert player.image.value == expected.image.value
        player.forward.click()


PICTURES = {
    "network": lambda: draw().figure,
    "frame": lambda: unrolled._draw_frame(RECORD, 5),
    "running_sum": lambda: unrolled.draw_running_sum(RECORD),
}


@pytest.mark.skipif(
    not matplotlib.__version__.startswith("3.11."),
    reason="the reference images are by matplotlib 3.11; another one lays text out by other rules",
)
@pytest.mark.mpl_image_compare(
    baseline_dir="baseline", tolerance=6, savefig_kwargs={"dpi": 60}, style="chapter14.style"
)
@pytest.mark.parametrize("name", PICTURES)
def test_picture(name):
    figure = PICTURES[name]()
    for words in figure.findobj(Text):
        words.set_text("")
    return figure
