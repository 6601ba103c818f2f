"""The network unrolled through time, drawn: both passes, heat maps, a film to step through.

Nothing here computes a gradient. The notebooks do, and hand over what they measured.
"""

import io
from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrow, FancyArrowPatch, FancyBboxPatch

from chapter14.data import check_array
from chapter14.plots import BLUE, GREEN, ORANGE, check_axes

STATE, OUTPUT, GRADIENT = BLUE, GREEN, ORANGE
INPUT, FORWARD, COST, FAINT, QUIET = "#666666", "#444444", "#B07800", "#b5b5b5", "#808080"
MAPS = "RdBu_r"

INCH = 0.74  # of paper for one unit of the drawing
PITCH = 2.2  # from one step to the next
BOX = 1.15  # width of a state or an output
LANE = 0.25  # forward and gradient run on two lanes, this far from the middle
WIDEST = 0.40  # width of the arrow with the largest norm
LEFT, RIGHT = 2.45, 1.7  # room beside the first and the last step
MOST = 50  # timesteps: beyond these a drawing is too wide to be looked at
MOST_WRITTEN = 400  # numbers of a heat map: beyond these, colours alone
HUGE = 1e100  # beyond it a sum of squares is no longer a finite number
SMALLEST = 1e-300  # below, matplotlib divides by zero
Y_COST, Y_OUTPUT, Y_INPUT, Y_PARAMETERS = 3.45, 1.85, -1.75, -3.15


def draw_unrolled(
    timesteps: int,
    cost_steps: Sequence[int],
    *,
    entering=None,
    carried=None,
    landing=None,
    moment: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a recurrent network unrolled through time: forward dashed, the gradient solid.

    An output that the cost does not use is drawn pale, with its word: ignored. Without norms only
    the forward pass is drawn. With norms a gradient arrow is as wide as its norm, all on one
    scale, and has the norm beside it; a norm of zero has no arrow.

    Args:
        timesteps: how many steps, T, 1..50.
        cost_steps: the steps whose outputs the cost uses, at least one, each in 0..T-1, in order.
        entering: norms of e(t), what enters through each output, shape (T,), zero where the cost
            does not use the output.
        carried: norms of what step t hands to the state before it, delta(t) Wh^T, shape (T,);
            the first goes to the initial state.
        landing: norms of each step's term of the gradient of the parameters, shape (T,).
        moment: draw only what has happened by then: step t forward at moment t, the cost at T,
            step t backward at 2T - t. None draws all.
        ax: the Axes to draw on; None makes a figure.

    Returns:
        The Axes. Every arrow has a gid, for example ``gradient-cost-y2`` or ``forward-x0-h0``.

    Raises:
        TypeError, ValueError: an argument is not as described, or only some norms are given.

    Example:
        >>> ax = draw_unrolled(3, [2], entering=[0, 0, 4], carried=[1, 2, 3], landing=[1, 1, 1])
        >>> sorted(p.get_gid() for p in ax.patches if "cost" in p.get_gid())
        ['forward-y2-cost', 'gradient-cost-y2', 'node-cost']
        >>> plt.close(ax.figure)
    """
    cost_steps = _check_steps(timesteps, cost_steps)
    norms = _check_norms(timesteps, cost_steps, entering, carried, landing)
    last = 2 * timesteps if norms else timesteps
    now = None if moment is None else _check_integer(moment, "moment", 0, last)
    moment = last if now is None else now
    bottom = Y_INPUT - 1.4
    if norms:
        bottom = Y_PARAMETERS - (1.4 if timesteps > 3 else 2.1)
    width, height = PITCH * (timesteps - 1) + LEFT + RIGHT, 4.0 - bottom
    if check_axes(ax) is None:
        _, ax = plt.subplots(figsize=(INCH * width, INCH * height), layout="constrained")
    ax.set(aspect="equal", xlim=(-LEFT, width - LEFT), ylim=(bottom, 4.0))
    ax.axis("off")
    _draw_nodes(ax, timesteps, cost_steps, moment, bool(norms))
    if now is not None:
        _mark_now(ax, timesteps, now)
    _draw_forward(ax, timesteps, cost_steps, moment)
    if norms:
        _draw_gradient(ax, timesteps, moment, *norms)
    _draw_key(ax, timesteps, bool(norms))
    return ax


def draw_heat_map(
    values,
    *,
    limit: float | None = None,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    shown=None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a matrix of signed numbers as colours, red above zero and blue below, each written in.

    Where the largest is tiny or huge, the numbers are written with a power of ten: −3e−9. Of more
    than 400 numbers none is written.

    Args:
        values: real numbers, shape (n, m).
        limit: the number that has the deepest colour, positive; None takes the largest there is.
        rows, columns: what stands beside the n rows and below the m columns; None: their index.
        shown: booleans, shape (n, m): the other numbers are left open. None shows all.
        ax: the Axes to draw on; None makes a figure.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: an argument is not as described.

    Example:
        >>> ax = draw_heat_map([[0.5, -1.0]], rows=["unit 0"], columns=["0", "1"])
        >>> [text.get_text() for text in ax.texts]
        ['0.50', '−1.00']
        >>> plt.close(ax.figure)
    """
    values = _check_numbers(values, "values", (None, None))
    shown = np.ones(values.shape, bool) if shown is None else _check_mask(shown, values.shape)
    rows = _check_labels_of(rows, "rows", values.shape[0])
    columns = _check_labels_of(columns, "columns", values.shape[1])
    if limit is None:
        limit = _largest(values)
    else:
        limit = float(_check_numbers(limit, "limit", ()))
        if limit < SMALLEST:
            raise ValueError(f"limit: expected a positive number, got {limit}")
    if check_axes(ax) is None:
        size = (0.75 * values.shape[1] + 1.6, 0.55 * values.shape[0] + 1.2)
        _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.set_facecolor("#f4f4f4")
    masked = np.ma.array(values, mask=~shown)
    style = {"cmap": MAPS, "aspect": "auto", "interpolation": "nearest"}
    ax.imshow(masked, vmin=-limit, vmax=limit, **style)
    largest = np.abs(values).max()
    for (row, column), value in np.ndenumerate(values):
        if shown[row, column] and values.size <= MOST_WRITTEN:
            colour = "white" if abs(value) > 0.62 * limit else "#222222"
            style = {"ha": "center", "va": "center", "color": colour, "fontsize": 10}
            ax.text(column, row, _written(value, largest), **style)
    ax.set_xticks(range(values.shape[1]), columns)
    ax.set_yticks(range(values.shape[0]), rows)
    # a white line between one number and the next
    ax.set_xticks(np.arange(0.5, values.shape[1] - 1), minor=True)
    ax.set_yticks(np.arange(0.5, values.shape[0] - 1), minor=True)
    ax.grid(True, which="minor", color="white", linewidth=1.5)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    return ax


def draw_moment(
    moment: int,
    *,
    states,
    entering,
    carried,
    deltas,
    terms,
    rows: Sequence[str] | None = None,
) -> Figure:
    """Draw one moment of backpropagation through time, on recorded tensors of one sequence.

    Above, the unrolled network with what has happened so far. Below, the states, the deltas, and
    the running sum of the gradient of the parameters beside its total.

    Args:
        moment: step t runs forward at moment t, the cost at T, step t runs backward at 2T - t.
        states: h(t), shape (T, units), T at most 50.
        entering: e(t), shape (T, units), all zero where the cost does not use the output, and not
            all zero everywhere.
        carried: delta(t) Wh^T, shape (T, units).
        deltas: delta(t), shape (T, units).
        terms: each step's term of the gradient of the parameters, shape (T, n, units), for example
            kernel, recurrent kernel and bias, one below the other.
        rows: what stands beside the n rows of a term; None: their index.

    Returns:
        The figure, closed for pyplot: a notebook shows it only if it is asked to.

    Raises:
        TypeError, ValueError: an argument is not as described.

    Example:
        >>> ones = np.ones((2, 3))
        >>> draw_moment(0, states=ones, entering=ones, carried=ones, deltas=ones,
        ...             terms=np.ones((2, 6, 3))).axes[1].get_title()
        'States h(t)'
    """
    states, entering, carried, deltas, terms = _check_record(
        states, entering, carried, deltas, terms
    )
    timesteps, units = states.shape
    moment = _check_integer(moment, "moment", 0, 2 * timesteps)
    rows = _check_labels_of(rows, "rows", terms.shape[1])
    steps = np.arange(timesteps)
    forward = np.broadcast_to(steps <= moment, (units, timesteps))
    back = steps >= 2 * timesteps - moment
    backward = np.broadcast_to(back, (units, timesteps))
    running, total = terms[back].sum(axis=0), terms.sum(axis=0)
    known = np.full(total.shape, back.any())
    limit = _largest(np.cumsum(terms[::-1], axis=0))  # of all moments: a colour keeps its meaning

    wide, narrow = max(timesteps, units, 3), max(units, 3)  # cells, enough for the title above
    width = max(INCH * max(PITCH * (timesteps - 1) + LEFT + RIGHT, 13), 1.1 * (wide + narrow) + 2.2)
    tall = INCH * (8.9 if timesteps > 3 else 9.6) + 0.3, 1.2 + 0.36 * max(terms.shape[1], units)
    figure = plt.figure(figsize=(width, sum(tall)), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=tall)
    draw_unrolled(
        timesteps,
        np.flatnonzero(entering.any(axis=1)),
        entering=_norms(entering),
        carried=_norms(carried),
        landing=_norms(terms),
        moment=moment,
        ax=upper.subplots(),
    )
    maps = lower.subplots(1, 4, width_ratios=[wide, wide, narrow, narrow])
    draw_heat_map(states.T, limit=1, shown=forward, ax=maps[0])
    draw_heat_map(deltas.T, shown=backward, ax=maps[1])
    draw_heat_map(running, limit=limit, rows=rows, shown=known, ax=maps[2])
    draw_heat_map(total, limit=limit, rows=rows, ax=maps[3])
    for ax, title in zip(maps[:2], ["States h(t)", "Gradient δ(t)"], strict=True):
        ax.set_title(title, fontsize=11)
        ax.set_xlabel("timestep")
        ax.set_ylabel("unit")
    count = int(back.sum())
    so_far = f"Sum of {count} term{'s' if count != 1 else ''}" if count else "No term yet"
    maps[2].set_title(so_far, fontsize=11)
    maps[3].set_title("Whole gradient", fontsize=11)
    for ax in maps[2:]:
        ax.set_xlabel("unit")
    upper.suptitle(
        describe_moment(moment, timesteps), x=0.02, ha="left", fontsize=14, weight="bold"
    )
    plt.close(figure)
    return figure


def describe_moment(moment: int, timesteps: int) -> str:
    """Return in words what happens at this moment of ``draw_moment``.

    Raises:
        TypeError, ValueError: not an integer, or out of range.

    Example:
        >>> describe_moment(5, 5)
        'The cost compares the outputs that it uses with their targets'
    """
    _check_integer(timesteps, "timesteps", 1, None)
    _check_integer(moment, "moment", 0, 2 * timesteps)
    if moment < timesteps:
        before = "initial state" if moment == 0 else f"state h({moment - 1})"
        return f"Forward, step {moment}: x({moment}) and the {before} make h({moment})"
    if moment == timesteps:
        return "The cost compares the outputs that it uses with their targets"
    step = 2 * timesteps - moment
    return f"Backward, step {step}: its term joins the sum, and the rest is handed on"


def draw_running_sum(*, states, deltas, terms, rows: Sequence[str] | None = None) -> Figure:
    """Draw what ``draw_moment`` plays as one still: both passes, and the sum, term after term.

    Args:
        states, deltas, terms, rows: as for ``draw_moment``.

    Returns:
        The figure, closed for pyplot.

    Raises:
        TypeError, ValueError: an argument is not as described.

    Example:
        >>> figure = draw_running_sum(states=np.ones((2, 3)), deltas=np.ones((2, 3)),
        ...                           terms=np.ones((2, 6, 3)))
        >>> figure.axes[-1].get_title()
        '+ step 0\\n= the whole'
    """
    states, deltas, terms = _check_passes(states, deltas, terms)
    rows = _check_labels_of(rows, "rows", terms.shape[1])
    timesteps, units = states.shape
    sums = np.cumsum(terms[::-1], axis=0)
    limit = _largest(sums)
    width = max(timesteps * (0.55 * units + 0.4), 1.25 * timesteps + 1.5, 8)
    tall = 1.0 + 0.4 * units, 1.15 + 0.4 * terms.shape[1]
    figure = plt.figure(figsize=(width, sum(tall)), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=tall)
    passes = upper.subplots(1, 2)
    draw_heat_map(states.T, limit=1, ax=passes[0])
    draw_heat_map(deltas.T, ax=passes[1])
    passes[0].set_title("Forward →  states h(t)", fontsize=11)
    passes[1].set_title("← Backward  gradients δ(t)", fontsize=11)
    for ax in passes:
        ax.set_xlabel("timestep")
        ax.set_ylabel("unit")
    for number, ax in enumerate(lower.subplots(1, timesteps, sharey=True, squeeze=False)[0]):
        draw_heat_map(sums[number], limit=limit, rows=rows, ax=ax)
        title = f"{'+ ' if number else ''}step {timesteps - 1 - number}"
        ax.set_title(title + "\n= the whole" * (number == timesteps - 1), fontsize=11, va="bottom")
        ax.set_xlabel("unit")
    plt.close(figure)
    return figure


def play_bptt(
    *, states, entering, carried, deltas, terms, rows: Sequence[str] | None = None
):  # -> ipywidgets.VBox
    """Return a player of all moments of ``draw_moment``, 0..2T: play, pause, step, slide.

    Args:
        states, entering, carried, deltas, terms, rows: as for ``draw_moment``.

    Returns:
        The widget that ``flip_book`` makes.

    Raises:
        TypeError, ValueError: an argument is not as described.

    Example:
        >>> ones = np.ones((1, 2))
        >>> player = play_bptt(states=ones, entering=ones, carried=ones, deltas=ones,
        ...                    terms=np.ones((1, 4, 2)))
        >>> player.slider.max
        2
    """
    record = {"states": states, "entering": entering, "carried": carried, "deltas": deltas}
    timesteps = len(_check_record(*record.values(), terms)[0])
    captions = [describe_moment(moment, timesteps) for moment in range(2 * timesteps + 1)]
    return flip_book(
        lambda moment: draw_moment(moment, terms=terms, rows=rows, **record),
        captions,
        name="moment",
    )


def flip_book(draw: Callable[[int], Figure], captions: Sequence[str], *, name: str = "page"):
    """Return a widget that shows one of several figures: play, pause, step, or slide to it.

    Every page is drawn and turned into a PNG at once, so flipping only exchanges pictures. It
    needs a running kernel and nothing from the network.

    Args:
        draw: takes a number from 0 and returns the figure of that page.
        captions: what is said above each page, at least one; their number is that of the pages.
        name: the label of the slider.

    Returns:
        An ``ipywidgets.VBox`` with the attributes ``play``, ``slider``, ``back``, ``forward`` (the
        step buttons), ``caption`` and ``image``.

    Raises:
        TypeError: ``draw`` cannot be called or does not return a figure, or captions or name are
            no words.
        ValueError: there are no captions.

    Example:
        >>> book = flip_book(lambda number: plt.figure(), ["first", "second"])
        >>> book.forward.click()
        >>> book.slider.value, book.caption.value
        (1, 'second')
        >>> plt.close("all")
    """
    import ipywidgets  # not at the top: whoever draws stills needs no widgets

    if not callable(draw):
        raise TypeError(f"draw: expected a function, got {type(draw).__name__}")
    captions = _check_labels_of(captions, "captions", None)
    if not isinstance(name, str):
        raise TypeError(f"name: expected a word, got {type(name).__name__}")
    pages = [_as_png(draw(number)) for number in range(len(captions))]
    last = len(pages) - 1
    book = ipywidgets.VBox()
    book.play = ipywidgets.Play(max=last, interval=1500, description=f"Play every {name}")
    book.slider = ipywidgets.IntSlider(max=last, description=name, continuous_update=True)
    book.back = ipywidgets.Button(description="◀ step back", tooltip=f"One {name} back")
    book.forward = ipywidgets.Button(description="step ▶", tooltip=f"One {name} on")
    book.caption = ipywidgets.Label(captions[0])
    book.image = ipywidgets.Image(value=pages[0], format="png")
    book.image.layout.max_width = "100%"
    book.image.layout.align_self = "flex-start"  # a box would stretch it
    ipywidgets.jslink((book.play, "value"), (book.slider, "value"))

    def turn(change) -> None:
        book.image.value = pages[change["new"]]
        book.caption.value = captions[change["new"]]

    def step(by: int) -> None:
        book.slider.value = min(max(book.slider.value + by, 0), last)

    book.slider.observe(turn, "value")
    book.back.on_click(lambda _: step(-1))
    book.forward.on_click(lambda _: step(1))
    controls = ipywidgets.HBox([book.play, book.back, book.forward, book.slider])
    controls.layout.flex_flow = "row wrap"
    book.children = [controls, book.caption, book.image]
    return book


def _as_png(figure: Figure) -> bytes:
    if not isinstance(figure, Figure):
        raise TypeError(f"draw: expected it to return a Figure, got {type(figure).__name__}")
    png = io.BytesIO()
    # the whole paper, not cropped to what is on it: every page has the same size
    figure.savefig(png, format="png", dpi=100, bbox_inches=figure.bbox_inches)
    return png.getvalue()


def _draw_nodes(ax: Axes, timesteps: int, used: list[int], moment: int, backward: bool) -> None:
    note = {"color": QUIET, "fontsize": 12, "style": "italic", "ha": "center"}
    for y, word in ((Y_OUTPUT, "outputs"), (0.52, "initial state"), (Y_INPUT, "inputs")):
        ax.text(-1.7, y, word, va="baseline" if y == 0.52 else "center", **note)
    _box(ax, "h-1", -1.7, 0, 0.97, 0.8, "$h(-1)$", "#777777", dashed=True)
    for t in range(timesteps):
        x, reached = PITCH * t, moment >= t
        colour = STATE if reached else FAINT
        _box(ax, f"h{t}", x, 0, BOX, 0.95, f"$h({t})$", colour, fill=reached)
        colour = INPUT if reached else FAINT
        _box(ax, f"x{t}", x - LANE, Y_INPUT, 0.66, 0.58, f"$x({t})$", colour, size=13)
        if t in used:
            colour = OUTPUT if reached else FAINT
            _box(ax, f"y{t}", x, Y_OUTPUT, BOX, 0.7, f"$y({t})$", colour, fill=reached)
        else:
            _box(ax, f"y{t}", x, Y_OUTPUT, BOX, 0.7, f"$y({t})$", FAINT, dashed=True)
            ax.text(x, Y_OUTPUT + 0.5, "ignored", gid=f"ignored-y{t}", **note)
    colour = COST if moment >= timesteps else FAINT
    names = ", ".join(f"y({t})" for t in used)
    if len(used) > 4 and used[-1] - used[0] == len(used) - 1:  # no gap that the dots would hide
        names = f"y({used[0]}),\\ …,\\ y({used[-1]})"
    middle = PITCH * (used[0] + used[-1]) / 2
    width = max(PITCH * (used[-1] - used[0]) + BOX, 2.1)
    _box(ax, "cost", middle, Y_COST, width, 0.76, f"cost $C({names})$", colour, fill=True)
    if backward:
        colour = GRADIENT if moment > timesteps else FAINT
        width = max(PITCH * (timesteps - 1) + BOX, 3.2)
        words = "gradient of $W_x,\\ W_h,\\ b$"
        if timesteps > 2:
            words += ": the sum" if timesteps == 3 else ": the sum of the terms of all steps"
        middle = PITCH * (timesteps - 1) / 2
        _box(ax, "parameters", middle, Y_PARAMETERS, width, 0.7, words, colour, fill=True)


def _mark_now(ax: Axes, timesteps: int, now: int) -> None:
    name, colour = f"h{now}", STATE
    if now >= timesteps:
        name, colour = ("cost", COST) if now == timesteps else (f"h{2 * timesteps - now}", GRADIENT)
    (box,) = (patch for patch in ax.patches if patch.get_gid() == f"node-{name}")
    box.set(linewidth=4, edgecolor=colour)


def _draw_forward(ax: Axes, timesteps: int, used: list[int], moment: int) -> None:
    for t in range(timesteps):
        x, left = PITCH * t, PITCH * (t - 1) + BOX / 2
        colour = FORWARD if moment >= t else FAINT
        start = f"h{t - 1}" if t else "h-1"
        _dashed(ax, f"{start}-h{t}", (max(left, -1.21), LANE), (x - BOX / 2, LANE), colour)
        _dashed(ax, f"x{t}-h{t}", (x - LANE, Y_INPUT + 0.3), (x - LANE, -0.48), colour)
        top = Y_OUTPUT - 0.35
        reached = moment >= t and t in used
        colour = FORWARD if reached else FAINT
        _dashed(ax, f"h{t}-y{t}", (x - LANE, 0.48), (x - LANE, top), colour)
        if t in used:
            colour = FORWARD if moment >= timesteps else FAINT
            start, end = Y_OUTPUT + 0.35, Y_COST - 0.38
            _dashed(ax, f"y{t}-cost", (x - LANE, start), (x - LANE, end), colour)


def _draw_gradient(ax: Axes, timesteps: int, moment: int, entering, carried, landing) -> None:
    largest = max(entering.max(), carried.max(), landing.max())
    for t in range(timesteps):
        if moment < 2 * timesteps - t:
            continue
        lane = PITCH * t + LANE
        norm = entering[t]
        _solid(ax, f"cost-y{t}", (lane, Y_COST - 0.38), (lane, Y_OUTPUT + 0.35), norm, largest)
        _solid(ax, f"y{t}-h{t}", (lane, Y_OUTPUT - 0.35), (lane, 0.48), norm, largest, number=False)
        start = PITCH * t - BOX / 2
        end, name = (start - PITCH + BOX, f"h{t}-h{t - 1}") if t else (-1.24, "h0-h-1")
        # what step t hands on is used, and drawn, when the step before it takes it
        if moment > 2 * timesteps - t or t == 0:
            _solid(ax, name, (start, -LANE), (end, -LANE), carried[t], largest)
        lane = PITCH * t + LANE + 0.08
        end = Y_PARAMETERS + 0.35
        _solid(ax, f"h{t}-parameters", (lane, -0.48), (lane, end), landing[t], largest)


def _draw_key(ax: Axes, timesteps: int, gradient: bool) -> None:
    x, y, words = -2.2, ax.get_ylim()[0] + 0.4, "gradient, as wide as its norm (the number)"
    style = {"va": "center", "fontsize": 12, "color": "#333333"}
    if gradient and timesteps > 3:
        x = 0.5
    elif gradient:  # too narrow for one line
        y, words = y + 0.1, words.replace("as its", "as\nits")
    if gradient:
        _solid(ax, "key", (x + 0.85, y), (x, y), 0.5, 1, number=False)
        ax.text(x + 1.05, y, words, **style)
    if gradient and timesteps < 4:
        y += 0.7
    _dashed(ax, "key", (-2.2, y), (-1.35, y), FORWARD)
    ax.text(-1.15, y, "forward", **style)


def _box(
    ax: Axes,
    name: str,
    x: float,
    y: float,
    width: float,
    height: float,
    text: str,
    colour: str,
    *,
    dashed: bool = False,
    fill: bool = False,
    size: int = 14,
) -> None:
    pad = 0.06
    box = FancyBboxPatch(
        (x - width / 2 + pad, y - height / 2 + pad),
        width - 2 * pad,
        height - 2 * pad,
        boxstyle=f"round,pad={pad},rounding_size=0.16",
        facecolor=(colour, 0.13) if fill else "white",
        edgecolor=colour,
        linestyle=(0, (3, 2.5)) if dashed else "-",
        linewidth=1.5,
        gid=f"node-{name}",
        zorder=3,
    )
    ax.add_patch(box)
    pale = colour == FAINT
    style = {"color": QUIET if pale else "#222222", "fontsize": size, "zorder": 4}
    ax.text(x, y, text, ha="center", va="center", gid=f"label-{name}", **style)


def _dashed(ax: Axes, name: str, start, end, colour: str) -> None:
    arrow = FancyArrowPatch(
        start,
        end,
        arrowstyle="-|>",
        mutation_scale=11,
        shrinkA=1,
        shrinkB=1,
        linewidth=1.4,
        linestyle=(0, (4, 2.5)),
        color=colour,
        gid=f"forward-{name}",
        zorder=2,
    )
    ax.add_patch(arrow)


def _solid(
    ax: Axes, name: str, start, end, norm: float, largest: float, number: bool = True
) -> None:
    if norm == 0:
        return
    (x, y), width = start, WIDEST * (norm / largest)
    dx, dy = end[0] - x, end[1] - y
    arrow = FancyArrow(
        x,
        y,
        dx,
        dy,
        width=width,
        head_width=width + 0.2,
        head_length=0.22,
        length_includes_head=True,
        facecolor=GRADIENT,
        edgecolor=GRADIENT,
        linewidth=0.4,
        gid=f"gradient-{name}",
        zorder=2,
    )
    ax.add_patch(arrow)
    if number:
        style = {"color": "#A34700", "fontsize": 11, "zorder": 4, "gid": f"norm-{name}"}
        if dx:
            # below the head too, and right of the box of the initial state
            place, style = (x + dx / 2 + 0.04, y - width / 2 - 0.16), style | {"va": "top"}
            ax.text(*place, _written(norm, norm), ha="center", **style)
        else:
            place, style = (x + width / 2 + 0.12, y + dy / 2), style | {"va": "center"}
            ax.text(*place, _written(norm, norm), ha="left", **style)


def _written(value: float, largest: float) -> str:
    """Return ``value`` in six signs at most, as numbers of the size of ``largest`` are written."""
    if 0.005 <= largest < 1000 or value == 0:
        text = f"{value:.2f}" if largest < 100 else f"{value:.1f}"
        if value == 0 or float(text) == 0:
            text = text.lstrip("-")
    else:
        digits, power = f"{value:.0e}".split("e")
        text = f"{digits}e{int(power)}"
    return text.replace("-", "−")


def _largest(values: np.ndarray) -> float:
    """Return the largest absolute value as the end of a colour scale, which cannot be zero."""
    largest = float(np.abs(values).max())
    return max(largest, 1 / HUGE) if largest else 1.0


def _norms(values: np.ndarray) -> np.ndarray:
    """Return the Euclidean norm of each row, none lost to a square too small to be a number."""
    rows = np.abs(values.reshape(len(values), -1))
    largest = rows.max(axis=1)
    scale = np.where(largest > 0, largest, 1)
    return largest * np.linalg.norm(rows / scale[:, None], axis=1)


def _check_numbers(values, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
    return check_array(values, name, shape, low=-HUGE, high=HUGE).astype(float)


def _check_integer(value, name: str, low: int, high: int | None) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name}: expected an integer, got {type(value).__name__}")
    if value < low or (high is not None and value > high):
        wanted = f"from {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name}: expected an integer {wanted}, got {value}")
    return int(value)


def _check_steps(timesteps: int, cost_steps) -> list[int]:
    timesteps = _check_integer(timesteps, "timesteps", 1, MOST)
    steps = check_array(
        cost_steps, "cost_steps", (None,), kind="integer", low=0, high=timesteps - 1
    ).tolist()
    if steps != sorted(set(steps)):
        raise ValueError(f"cost_steps: expected each step once, in order, got {steps}")
    return steps


def _check_norms(timesteps: int, cost_steps: list[int], entering, carried, landing):
    named = {"entering": entering, "carried": carried, "landing": landing}
    missing = [name for name, norms in named.items() if norms is None]
    if len(missing) == 3:
        return None
    if missing:
        raise ValueError(f"{missing[0]}: expected the norms of all three kinds or of none")
    entering, carried, landing = (
        check_array(norms, name, (timesteps,), low=0, high=HUGE).astype(float)
        for name, norms in named.items()
    )
    ignored = sorted(set(range(timesteps)) - set(cost_steps))
    if entering[ignored].any():
        raise ValueError("entering: expected zero where the cost does not use the output")
    if not entering.any():
        raise ValueError("entering: expected a norm above zero at a step that the cost uses")
    return entering, carried, landing


def _check_passes(states, deltas, terms) -> tuple[np.ndarray, ...]:
    states = _check_numbers(states, "states", (None, None))
    if len(states) > MOST:
        raise ValueError(f"states: expected at most {MOST} timesteps, got {len(states)}")
    deltas = _check_numbers(deltas, "deltas", states.shape)
    return states, deltas, _check_numbers(terms, "terms", (len(states), None, states.shape[1]))


def _check_record(states, entering, carried, deltas, terms) -> tuple[np.ndarray, ...]:
    states, deltas, terms = _check_passes(states, deltas, terms)
    entering = _check_numbers(entering, "entering", states.shape)
    if not entering.any():
        raise ValueError("entering: expected a number other than zero, got zeros only")
    return states, entering, _check_numbers(carried, "carried", states.shape), deltas, terms


def _check_mask(shown, shape: tuple[int, ...]) -> np.ndarray:
    shown = np.asarray(shown)
    if shown.dtype != bool:
        raise TypeError(f"shown: expected booleans, got dtype {shown.dtype}")
    if shown.shape != shape:
        raise ValueError(f"shown: expected shape {shape}, got {shown.shape}")
    return shown


def _check_labels_of(labels, name: str, length: int | None) -> list[str]:
    if labels is None and length is not None:
        return [str(number) for number in range(length)]
    if isinstance(labels, str) or not isinstance(labels, Sequence):
        raise TypeError(f"{name}: expected a list of words, got {type(labels).__name__}")
    if not all(isinstance(label, str) for label in labels):
        raise TypeError(f"{name}: expected words only, got {labels!r}")
    if not len(labels) or (length is not None and len(labels) != length):
        wanted = "at least one word" if length is None else f"{length} words"
        raise ValueError(f"{name}: expected {wanted}, got {len(labels)}")
    return list(labels)
