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

STATE, OUTPUT, INPUT = "#0072B2", "#009E73", "#666666"
GRADIENT, FORWARD, COST, FAINT = "#D55E00", "#444444", "#B07800", "#b5b5b5"
MAPS = "RdBu_r"

PITCH = 2.35  # from one step to the next
BOX = 1.15  # width of a state or an output
LANE = 0.24  # forward and gradient run on two lanes, this far from the middle
WIDEST = 0.40  # width of the arrow with the largest norm
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
        timesteps: how many steps, T, at least 1.
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
    moment = last if moment is None else _check_integer(moment, "moment", 0, last)
    if ax is None:
        width = PITCH * timesteps + 2.6
        _, ax = plt.subplots(figsize=(0.74 * max(width, 8), 0.74 * 9.3))
    ax.set_aspect("equal")
    ax.set_xlim(-2.55, PITCH * (timesteps - 1) + 1.25)
    ax.set_ylim(-4.75, 4.15)
    ax.axis("off")
    _draw_nodes(ax, timesteps, cost_steps, moment, bool(norms))
    _draw_forward(ax, timesteps, cost_steps, moment)
    if norms:
        _draw_gradient(ax, timesteps, moment, *norms)
    _draw_key(ax, bool(norms))
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
    values = check_array(values, "values", (None, None)).astype(float)
    shown = np.ones(values.shape, bool) if shown is None else _check_mask(shown, values.shape)
    rows = _check_labels_of(rows, "rows", values.shape[0])
    columns = _check_labels_of(columns, "columns", values.shape[1])
    if limit is None:
        limit = float(np.abs(values).max()) or 1.0
    elif check_array(limit, "limit", ()) <= 0:
        raise ValueError(f"limit: expected a positive number, got {limit}")
    if ax is None:
        _, ax = plt.subplots(figsize=(0.75 * values.shape[1] + 1.6, 0.55 * values.shape[0] + 1.2))
    ax.set_facecolor("#f4f4f4")
    ax.imshow(np.ma.array(values, mask=~shown), cmap=MAPS, vmin=-limit, vmax=limit, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if shown[row, column]:
            colour = "white" if abs(value) > 0.62 * limit else "#222222"
            text = f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")
            ax.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    ax.set_xticks(range(values.shape[1]), columns)
    ax.set_yticks(range(values.shape[0]), rows)
    ax.tick_params(length=0)
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
        states: h(t), shape (T, units).
        entering: e(t), shape (T, units), all zero where the cost does not use the output.
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
    _check_integer(moment, "moment", 0, 2 * timesteps)
    steps = np.arange(timesteps)
    forward = np.broadcast_to(steps <= moment, (units, timesteps))
    back = steps >= 2 * timesteps - moment
    backward = np.broadcast_to(back, (units, timesteps))
    running, total = terms[back].sum(axis=0), terms.sum(axis=0)
    known = np.full(total.shape, back.any())
    limit = max(np.abs(running).max(), np.abs(total).max())

    figure = plt.figure(figsize=(0.74 * max(PITCH * timesteps + 2.6, 12.5), 9.4))
    upper, lower = figure.subfigures(2, 1, height_ratios=[6.4, 3])
    draw_unrolled(
        timesteps,
        np.flatnonzero(entering.any(axis=1)),
        entering=np.linalg.norm(entering, axis=1),
        carried=np.linalg.norm(carried, axis=1),
        landing=np.linalg.norm(terms, axis=(1, 2)),
        moment=moment,
        ax=upper.subplots(),
    )
    maps = lower.subplots(1, 4, width_ratios=[timesteps, timesteps, units + 0.6, units + 0.6])
    draw_heat_map(states.T, limit=1, shown=forward, ax=maps[0])
    draw_heat_map(deltas.T, shown=backward, ax=maps[1])
    draw_heat_map(running, limit=limit, rows=rows, shown=known, ax=maps[2])
    draw_heat_map(total, limit=limit, rows=rows, ax=maps[3])
    for ax, title in zip(maps[:2], ["States h(t)", "Gradient δ(t)"], strict=True):
        ax.set_title(title, fontsize=11)
        ax.set_xlabel("timestep")
        ax.set_ylabel("unit")
    count = int(back.sum())
    maps[2].set_title(f"Sum of {count} term{'s' if count != 1 else ''}", fontsize=11)
    maps[3].set_title("The whole gradient", fontsize=11)
    for ax in maps[2:]:
        ax.set_xlabel("unit")
    upper.suptitle(describe_moment(moment, timesteps), x=0.02, ha="left", fontweight="bold")
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
    states, _, _, deltas, terms = _check_record(states, deltas, deltas, deltas, terms)
    timesteps = len(states)
    sums = np.cumsum(terms[::-1], axis=0)
    limit = float(np.abs(sums).max()) or 1.0
    figure = plt.figure(figsize=(max(2 * timesteps, 8), 2.3 + 0.45 * terms.shape[1]))
    upper, lower = figure.subfigures(2, 1, height_ratios=[2.1, 0.4 + 0.4 * terms.shape[1]])
    passes = upper.subplots(1, 2)
    draw_heat_map(states.T, limit=1, ax=passes[0])
    draw_heat_map(deltas.T, ax=passes[1])
    passes[0].set_title("Forward: states h(t), from left to right  →")
    passes[1].set_title("←  Backward: gradients δ(t), from right to left")
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
    _check_record(*record.values(), terms)
    timesteps = len(states)
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
        TypeError: ``draw`` cannot be called or does not return a figure, or captions are no words.
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
    figure.savefig(png, format="png", dpi=100)
    return png.getvalue()


def _draw_nodes(ax: Axes, timesteps: int, used: list[int], moment: int, backward: bool) -> None:
    now = moment if moment < timesteps else 2 * timesteps - moment
    happens = moment != timesteps and moment < 2 * timesteps  # a moment of a film, not the whole
    _box(ax, "h-1", -1.72, 0, 0.95, 0.8, "$h(-1)$", "#777777", dashed=True)
    for t in range(timesteps):
        x, reached = PITCH * t, moment >= t
        colour = STATE if reached else FAINT
        strong = happens and t == now
        _box(ax, f"h{t}", x, 0, BOX, 0.95, f"$h({t})$", colour, fill=reached, strong=strong)
        colour = INPUT if reached else FAINT
        _box(ax, f"x{t}", x - LANE, Y_INPUT, 0.66, 0.58, f"$x({t})$", colour)
        if t in used:
            colour = OUTPUT if reached else FAINT
            _box(ax, f"y{t}", x, Y_OUTPUT, BOX, 0.66, f"$y({t})$", colour, fill=reached)
        else:
            _box(ax, f"y{t}", x, Y_OUTPUT, BOX, 0.66, f"$y({t})$", FAINT, dashed=True)
            style = {"color": "#8a8a8a", "fontsize": 11, "style": "italic", "ha": "center"}
            ax.text(x, Y_OUTPUT + 0.5, "ignored", gid=f"ignored-y{t}", **style)
    colour = COST if moment >= timesteps else FAINT
    names = ", ".join(f"y({t})" for t in used)
    short = f"$C({names})$" if len(used) <= 4 else f"$C(y({used[0]}), …, y({used[-1]}))$"
    middle = PITCH * (used[0] + used[-1]) / 2
    width = max(PITCH * (used[-1] - used[0]) + BOX, 1.9)
    _box(ax, "cost", middle, Y_COST, width, 0.72, f"cost  {short}", colour, fill=True)
    if backward:
        colour = GRADIENT if moment > timesteps else FAINT
        width = PITCH * (timesteps - 1) + BOX
        words = "gradient of $W_x,\\ W_h,\\ b$: the sum of the terms of all steps"
        if timesteps < 4:
            words = "sum over all steps"
        middle = PITCH * (timesteps - 1) / 2
        _box(ax, "parameters", middle, Y_PARAMETERS, width, 0.66, words, colour, fill=True)


def _draw_forward(ax: Axes, timesteps: int, used: list[int], moment: int) -> None:
    for t in range(timesteps):
        x, left = PITCH * t, PITCH * (t - 1) + BOX / 2
        colour = FORWARD if moment >= t else FAINT
        start = f"h{t - 1}" if t else "h-1"
        _dashed(ax, f"{start}-h{t}", (max(left, -1.22), LANE), (x - BOX / 2, LANE), colour)
        _dashed(ax, f"x{t}-h{t}", (x - LANE, Y_INPUT + 0.3), (x - LANE, -0.48), colour)
        top = Y_OUTPUT - 0.34
        reached = moment >= t and t in used
        colour = FORWARD if reached else FAINT
        _dashed(ax, f"h{t}-y{t}", (x - LANE, 0.48), (x - LANE, top), colour)
        if t in used:
            colour = FORWARD if moment >= timesteps else FAINT
            start, end = Y_OUTPUT + 0.34, Y_COST - 0.37
            _dashed(ax, f"y{t}-cost", (x - LANE, start), (x - LANE, end), colour)


def _draw_gradient(ax: Axes, timesteps: int, moment: int, entering, carried, landing) -> None:
    scale = WIDEST / max(entering.max(), carried.max(), landing.max())
    for t in range(timesteps):
        if moment < 2 * timesteps - t:
            continue
        lane = PITCH * t + LANE
        norm = entering[t]
        _solid(ax, f"cost-y{t}", (lane, Y_COST - 0.37), (lane, Y_OUTPUT + 0.34), norm, scale)
        _solid(ax, f"y{t}-h{t}", (lane, Y_OUTPUT - 0.34), (lane, 0.48), norm, scale, number=False)
        start = PITCH * t - BOX / 2
        end, name = (start - PITCH + BOX, f"h{t}-h{t - 1}") if t else (-1.24, "h0-h-1")
        # what step t hands on is used, and drawn, when the step before it takes it
        if moment > 2 * timesteps - t or t == 0:
            _solid(ax, name, (start, -LANE), (end, -LANE), carried[t], scale)
        lane = PITCH * t + LANE + 0.08
        end = Y_PARAMETERS + 0.34
        _solid(ax, f"h{t}-parameters", (lane, -0.48), (lane, end), landing[t], scale)


def _draw_key(ax: Axes, gradient: bool) -> None:
    y = Y_PARAMETERS - 1.05 if gradient else Y_INPUT - 0.9
    if not gradient:
        ax.set_ylim(y - 0.5, ax.get_ylim()[1])
    style = {"va": "center", "fontsize": 11, "color": "#333333"}
    _dashed(ax, "key", (-2.2, y), (-1.35, y), FORWARD)
    ax.text(-1.15, y, "forward", **style)
    if gradient:
        _solid(ax, "key", (1.35, y), (0.5, y), 1, 0.2, number=False)
        ax.text(1.55, y, "gradient, as wide as its norm (the number)", **style)


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
    strong: bool = False,
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
        linewidth=3.4 if strong else 1.5,
        gid=f"node-{name}",
        zorder=3,
    )
    ax.add_patch(box)
    pale = colour == FAINT
    style = {"color": "#8a8a8a" if pale else "#222222", "fontsize": 13, "zorder": 4}
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


def _solid(ax: Axes, name: str, start, end, norm: float, scale: float, number: bool = True) -> None:
    if norm == 0:
        return
    (x, y), width = start, norm * scale
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
        text = f"{norm:.2f}" if norm >= 0.005 else f"{norm:.0e}".replace("e-0", "e−")
        style = {"color": "#A34700", "fontsize": 10, "zorder": 4, "gid": f"norm-{name}"}
        if dx:
            ax.text(x + dx / 2, y - width / 2 - 0.14, text, ha="center", va="top", **style)
        else:
            ax.text(x + width / 2 + 0.12, y + dy / 2, text, ha="left", va="center", **style)


def _check_integer(value, name: str, low: int, high: int | None) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name}: expected an integer, got {type(value).__name__}")
    if value < low or (high is not None and value > high):
        wanted = f"from {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name}: expected an integer {wanted}, got {value}")
    return int(value)


def _check_steps(timesteps: int, cost_steps) -> list[int]:
    timesteps = _check_integer(timesteps, "timesteps", 1, None)
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
        check_array(norms, name, (timesteps,), low=0).astype(float) for name, norms in named.items()
    )
    ignored = sorted(set(range(timesteps)) - set(cost_steps))
    if entering[ignored].any():
        raise ValueError("entering: expected zero where the cost does not use the output")
    if not entering.any():
        raise ValueError("entering: expected a norm above zero at a step that the cost uses")
    return entering, carried, landing


def _check_record(states, entering, carried, deltas, terms) -> tuple[np.ndarray, ...]:
    states = check_array(states, "states", (None, None)).astype(float)
    others = {"entering": entering, "carried": carried, "deltas": deltas}
    checked = [check_array(a, name, states.shape).astype(float) for name, a in others.items()]
    terms = check_array(terms, "terms", (len(states), None, states.shape[1])).astype(float)
    return states, *checked, terms


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
