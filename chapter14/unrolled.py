"""The network unrolled through time: both passes, heat maps, and a viewer that steps through them.

Nothing here computes a gradient. The notebooks do, and pass what they measured as a ``Record``.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrow, FancyArrowPatch, FancyBboxPatch

from chapter14.plots import BLUE, GREEN, ORANGE

STATE, OUTPUT, GRADIENT = BLUE, GREEN, ORANGE
INPUT, FORWARD, LOSS, FAINT, QUIET = "#666666", "#444444", "#B07800", "#b5b5b5", "#808080"

INCH = 0.74  # of paper for one unit of the drawing
PITCH = 2.2  # from one step to the next
BOX = 1.15  # width of a state or an output
LANE = 0.25  # forward and gradient run side by side, each this far from the middle
DASHES = (0, (4, 2.5))
WIDEST = 0.40  # width of the arrow with the largest norm
LEFT, RIGHT = 2.45, 1.7  # room beside the first and the last step
Y_LOSS, Y_OUTPUT, Y_INPUT, Y_PARAMETERS = 3.45, 1.85, -1.75, -3.15


@dataclass(frozen=True)
class Record:
    """What backpropagation through time computed for one sequence, as the figures below take it.

    Attributes:
        states: h(t), shape (T, units).
        d_outputs: the gradient with respect to each output y(t) alone, shape (T, units): zero where
            the loss doesn't use the output, but not zero everywhere.
        carried: delta(t) Wh^T, which step t carries to the state before it, shape (T, units).
        deltas: delta(t), shape (T, units).
        terms: each step's term of the gradient of the parameters, shape (T, rows, units), for
            example kernel, recurrent kernel, and bias, one below the other.
        rows: the labels of the rows of a term. None: their numbers.
    """

    states: np.ndarray
    d_outputs: np.ndarray
    carried: np.ndarray
    deltas: np.ndarray
    terms: np.ndarray
    rows: Sequence[str] | None = None


def draw_unrolled(
    timesteps: int,
    loss_steps: Sequence[int],
    *,
    d_outputs: np.ndarray | None = None,
    carried: np.ndarray | None = None,
    landing: np.ndarray | None = None,
    frame: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a recurrent network unrolled through time: forward dashed, the gradient solid.

    An output that the loss doesn't use is pale and says so: ignored. Without the norms, only the
    forward pass is drawn. With them, a gradient arrow is as wide as its norm, all on one scale, and
    has the norm beside it; a norm of zero has no arrow.

    Args:
        timesteps: how many steps, T.
        loss_steps: the steps whose outputs the loss uses, at least one, each in 0..T-1.
        d_outputs: norms of the gradient that enters through each output, shape (T,).
        carried: norms of what step t carries to the state before it, delta(t) Wh^T, shape (T,); the
            first goes to the initial state.
        landing: norms of each step's term of the gradient of the parameters, shape (T,).
        frame: draw only what has happened by then: step t forward at frame t, the loss at T, step t
            backward at 2T - t; what it carries arrives a frame later. None draws all.

    Returns:
        The Axes. Every arrow has a gid, for example ``gradient-loss-y2`` or ``forward-x0-h0``.

    Example:
        >>> ax = draw_unrolled(3, [2], d_outputs=[0, 0, 4], carried=[1, 2, 3], landing=[1, 1, 1])
        >>> sorted(patch.get_gid() for patch in ax.patches if "loss" in patch.get_gid())
        ['forward-y2-loss', 'gradient-loss-y2', 'node-loss']
    """
    backward = d_outputs is not None
    now = 2 * timesteps if frame is None else frame
    bottom = (Y_PARAMETERS if backward else Y_INPUT) - 1.4
    width = PITCH * (timesteps - 1) + LEFT + RIGHT
    if ax is None:
        size = (INCH * width, INCH * (4 - bottom))
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    ax.set(aspect="equal", xlim=(-LEFT, width - LEFT), ylim=(bottom, 4))
    ax.axis("off")
    _draw_forward(ax, timesteps, sorted(loss_steps), now)
    handles = [plt.Line2D([], [], color=FORWARD, lw=1.4, ls=DASHES, label="forward")]
    if backward:
        _draw_backward(ax, timesteps, now, d_outputs, carried, landing)
        handles += [plt.Line2D([], [], color=GRADIENT, lw=5, label="gradient (width: its norm)")]
    ax.legend(handles=handles, loc="lower left", fontsize=12, frameon=False)
    if frame is not None:
        _highlight(ax, timesteps, frame)
    return ax


def _draw_forward(ax: Axes, timesteps: int, loss_steps: list[int], frame: int) -> None:
    note = {"color": QUIET, "fontsize": 12, "style": "italic", "ha": "center", "va": "center"}
    for y, words in [(Y_OUTPUT, "outputs"), (0.64, "initial state"), (Y_INPUT, "inputs")]:
        ax.text(-1.7, y, words, **note)
    _box(ax, "h-1", (-1.7, 0), (0.97, 0.8), "$h(-1)$", "#777777", dashed=True)
    ended = frame >= timesteps
    for t in range(timesteps):
        x = PITCH * t
        lane = x - LANE
        before = x - PITCH + BOX / 2 if t > 0 else -1.21
        reached = frame >= t
        used = t in loss_steps
        color = OUTPUT if used else FAINT
        _box(ax, f"x{t}", (lane, Y_INPUT), (0.66, 0.58), f"$x({t})$", INPUT, reached)
        _box(ax, f"h{t}", (x, 0), (BOX, 0.95), f"$h({t})$", STATE, reached)
        _box(ax, f"y{t}", (x, Y_OUTPUT), (BOX, 0.7), f"$y({t})$", color, reached, dashed=not used)
        _dashed(ax, f"h{t - 1}-h{t}", (before, LANE), (x - BOX / 2, LANE), reached)
        _dashed(ax, f"x{t}-h{t}", (lane, Y_INPUT + 0.3), (lane, -0.48), reached)
        _dashed(ax, f"h{t}-y{t}", (lane, 0.48), (lane, Y_OUTPUT - 0.35), reached and used)
        if used:
            _dashed(ax, f"y{t}-loss", (lane, Y_OUTPUT + 0.35), (lane, Y_LOSS - 0.38), ended)
        else:
            ax.text(x, Y_OUTPUT + 0.5, "ignored", gid=f"ignored-y{t}", **note)
    first = loss_steps[0]
    last = loss_steps[-1]
    names = ", ".join(f"y({t})" for t in loss_steps)
    if len(loss_steps) > 4 and len(loss_steps) == last - first + 1:  # dots would hide a gap
        names = f"y({first}),\\ …,\\ y({last})"
    center = (PITCH * (first + last) / 2, Y_LOSS)
    size = (max(PITCH * (last - first) + BOX, 2.1), 0.76)
    _box(ax, "loss", center, size, f"loss $C({names})$", LOSS, ended)


def _draw_backward(ax: Axes, timesteps: int, frame: int, d_outputs, carried, landing) -> None:
    words = "gradient of $W_x,\\ W_h,\\ b$"
    if timesteps > 3:
        words += ": the sum of the terms of all steps"
    center = (PITCH * (timesteps - 1) / 2, Y_PARAMETERS)
    size = (max(PITCH * (timesteps - 1) + BOX, 3.2), 0.7)
    _box(ax, "parameters", center, size, words, GRADIENT, frame > timesteps)
    largest = max(*d_outputs, *carried, *landing)
    bottom = Y_PARAMETERS + 0.35
    for t in range(2 * timesteps - frame, timesteps):
        x = PITCH * t
        lane = x + LANE
        before = x - PITCH + BOX / 2 if t > 0 else -1.24
        arrows = [
            (f"loss-y{t}", (lane, Y_LOSS - 0.38), (lane, Y_OUTPUT + 0.35), d_outputs[t]),
            (f"y{t}-h{t}", (lane, Y_OUTPUT - 0.35), (lane, 0.48), d_outputs[t]),
            (f"h{t}-parameters", (lane + 0.08, -0.48), (lane + 0.08, bottom), landing[t]),
        ]
        if t == 0 or frame > 2 * timesteps - t:  # the state before takes it one frame later
            arrows.append((f"h{t}-h{t - 1}", (x - BOX / 2, -LANE), (before, -LANE), carried[t]))
        for name, start, end, norm in arrows:
            if norm > 0:
                _solid(ax, name, start, end, norm, WIDEST * norm / largest)


def _highlight(ax: Axes, timesteps: int, frame: int) -> None:
    """Thicken the box that this frame is about."""
    if frame < timesteps:
        name, color = f"h{frame}", STATE
    elif frame == timesteps:
        name, color = "loss", LOSS
    else:
        name, color = f"h{2 * timesteps - frame}", GRADIENT
    for patch in ax.patches:
        if patch.get_gid() == f"node-{name}":
            patch.set(linewidth=4, edgecolor=color)


def _box(
    ax: Axes, name: str, center, size, text: str, color: str, reached=True, dashed=False
) -> None:
    """Draw a box, pale until it is reached and empty if it is dashed."""
    pad = 0.06
    corner = (center[0] - size[0] / 2 + pad, center[1] - size[1] / 2 + pad)
    box = FancyBboxPatch(
        corner,
        size[0] - 2 * pad,
        size[1] - 2 * pad,
        boxstyle=f"round,pad={pad},rounding_size=0.16",
        facecolor=(color, 0.13) if reached and not dashed else "white",
        edgecolor=color if reached else FAINT,
        linestyle=(0, (3, 2.5)) if dashed else "-",
        linewidth=1.5,
        gid=f"node-{name}",
        zorder=3,
    )
    ax.add_patch(box)
    style = {"ha": "center", "va": "center", "fontsize": 13, "zorder": 4}
    ax.text(*center, text, color="#222222" if reached else QUIET, gid=f"label-{name}", **style)


def _dashed(ax: Axes, name: str, start, end, reached: bool) -> None:
    arrow = FancyArrowPatch(
        start,
        end,
        arrowstyle="-|>",
        mutation_scale=11,
        shrinkA=1,
        shrinkB=1,
        linewidth=1.4,
        linestyle=DASHES,
        color=FORWARD if reached else FAINT,
        gid=f"forward-{name}",
        zorder=2,
    )
    ax.add_patch(arrow)


def _solid(ax: Axes, name: str, start, end, norm: float, width: float) -> None:
    x, y = start
    dx = end[0] - x
    dy = end[1] - y
    arrow = FancyArrow(
        x,
        y,
        dx,
        dy,
        width=width,
        head_width=width + 0.2,
        head_length=0.22,
        length_includes_head=True,
        color=GRADIENT,
        linewidth=0.4,
        gid=f"gradient-{name}",
        zorder=2,
    )
    ax.add_patch(arrow)
    style = {"color": "#A34700", "fontsize": 11, "zorder": 4, "gid": f"norm-{name}"}
    if dx:  # below the arrow, its head too
        place = (x + dx / 2 + 0.04, y - width / 2 - 0.16)
        ax.text(*place, _written(norm, norm), ha="center", va="top", **style)
    elif not name.startswith("y"):  # between an output and its state it's the same norm again
        place = (x + width / 2 + 0.12, y + dy / 2)
        ax.text(*place, _written(norm, norm), ha="left", va="center", **style)


def draw_heat_map(
    values: np.ndarray,
    *,
    limit: float | None = None,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    shown: np.ndarray | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a matrix of signed numbers as colors, red above zero and blue below, each written in.

    Where the largest is below 0.005 or from 1000, numbers are written with a power of ten: −3e−9.

    Args:
        values: real numbers, shape (n, m).
        limit: the number that has the deepest color, positive. None: the largest absolute value.
        rows, columns: the labels of the n rows and m columns. None: their numbers.
        shown: booleans, shape (n, m); the other numbers are left open. None shows all.

    Example:
        >>> ax = draw_heat_map([[0.5, -1.0]])
        >>> [text.get_text() for text in ax.texts]
        ['0.50', '−1.00']
    """
    values = np.asarray(values)
    height, width = values.shape
    shown = np.full(values.shape, True) if shown is None else np.asarray(shown)
    largest = np.abs(values).max()
    limit = limit or largest or 1  # all zero: any limit makes all of them white
    if ax is None:
        size = (0.75 * width + 1.6, 0.55 * height + 1.2)
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    ax.set_facecolor("#f4f4f4")
    masked = np.ma.array(values, mask=~shown)
    style = {"cmap": "RdBu_r", "aspect": "auto", "interpolation": "nearest"}
    ax.imshow(masked, vmin=-limit, vmax=limit, **style)
    for row, column in np.argwhere(shown):
        value = values[row, column]
        color = "white" if abs(value) > 0.62 * limit else "#222222"
        style = {"ha": "center", "va": "center", "fontsize": 10, "color": color}
        ax.text(column, row, _written(value, largest), **style)
    ax.set_xticks(range(width), range(width) if columns is None else columns)
    ax.set_yticks(range(height), range(height) if rows is None else rows)
    ax.set_xticks(np.arange(0.5, width - 1), minor=True)  # white lines between the numbers
    ax.set_yticks(np.arange(0.5, height - 1), minor=True)
    ax.grid(True, which="minor", color="white", linewidth=1.5)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    return ax


def _written(value: float, largest: float) -> str:
    """Return ``value`` in at most six characters, for numbers of the size of ``largest``."""
    if value == 0 or 0.005 <= largest < 1000:
        text = f"{value:z.2f}" if largest < 100 else f"{value:z.1f}"
    else:
        digits, power = f"{value:.0e}".split("e")
        text = f"{digits}e{int(power)}"
    return text.replace("-", "−")


def draw_frame(record: Record, frame: int) -> Figure:
    """Draw one frame of backpropagation through time.

    Above is the unrolled network with what has happened so far. Below are the states, the deltas,
    and the running sum of the gradient of the parameters beside its total.

    Args:
        record: what was computed for one sequence.
        frame: step t runs forward at frame t, the loss is computed at T, and step t runs backward
            at 2T - t.

    Returns:
        The figure, closed for pyplot: a notebook shows it only if it's the value of a cell.

    Example:
        >>> ones = np.ones((2, 3))
        >>> record = Record(ones, ones, ones, ones, terms=np.ones((2, 6, 3)))
        >>> draw_frame(record, 0).axes[1].get_title()
        'States h(t)'
    """
    timesteps, units = record.states.shape
    steps = np.arange(timesteps)
    back = steps >= 2 * timesteps - frame
    running = record.terms[back].sum(axis=0)
    limit = np.abs(_running_sums(record)).max()  # of all frames: a color keeps its meaning

    wide = max(timesteps, units, 3)  # cells, enough for the title above
    narrow = max(units, 3)
    network_width = INCH * (PITCH * (timesteps - 1) + LEFT + RIGHT)
    width = max(network_width, INCH * 13, 1.1 * (wide + narrow) + 2.2)
    heights = [INCH * 8.9 + 0.3, 1.2 + 0.36 * max(record.terms.shape[1], units)]
    figure = plt.figure(figsize=(width, sum(heights)), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=heights)
    upper.suptitle(describe_frame(frame, timesteps), x=0.02, ha="left", fontsize=14, weight="bold")
    draw_unrolled(
        timesteps,
        np.flatnonzero(record.d_outputs.any(axis=1)),
        d_outputs=np.linalg.norm(record.d_outputs, axis=1),
        carried=np.linalg.norm(record.carried, axis=1),
        landing=np.linalg.norm(record.terms, axis=(1, 2)),
        frame=frame,
        ax=upper.subplots(),
    )
    axes = lower.subplots(1, 4, width_ratios=[wide, wide, narrow, narrow])
    _draw_passes(record, axes[:2], steps <= frame, back)
    known = np.full(running.shape, back.any())
    draw_heat_map(running, limit=limit, rows=record.rows, shown=known, ax=axes[2])
    draw_heat_map(record.terms.sum(axis=0), limit=limit, rows=record.rows, ax=axes[3])
    count = back.sum()
    axes[2].set_title(f"Sum of {count} terms" if count else "No term yet", fontsize=11)
    axes[3].set_title("Whole gradient", fontsize=11)
    axes[2].set_xlabel("unit")
    axes[3].set_xlabel("unit")
    plt.close(figure)
    return figure


def _running_sums(record: Record) -> np.ndarray:
    """Return the sums of the last 1, 2, ..., T terms, shape (T, rows, units)."""
    return np.cumsum(record.terms[::-1], axis=0)


def _draw_passes(record: Record, axes, forward: np.ndarray, backward: np.ndarray) -> None:
    """Draw the states and the deltas of the steps that the masks, shape (T,), select."""
    units = record.states.shape[1]
    draw_heat_map(record.states.T, limit=1, shown=np.tile(forward, (units, 1)), ax=axes[0])
    draw_heat_map(record.deltas.T, shown=np.tile(backward, (units, 1)), ax=axes[1])
    axes[0].set_title("States h(t)", fontsize=11)
    axes[1].set_title("Gradient δ(t)", fontsize=11)
    for ax in axes:
        ax.set(xlabel="timestep", ylabel="unit")


def describe_frame(frame: int, timesteps: int) -> str:
    """Return in words what happens at this frame of ``draw_frame``, 0..2T.

    Example:
        >>> describe_frame(5, 5)
        'The loss compares the outputs that it uses with their targets'
    """
    if frame < timesteps:
        before = "initial state" if frame == 0 else f"state h({frame - 1})"
        return f"Forward, step {frame}: x({frame}) and the {before} make h({frame})"
    if frame == timesteps:
        return "The loss compares the outputs that it uses with their targets"
    step = 2 * timesteps - frame
    return f"Backward, step {step}: its term joins the sum, and the gradient is carried on"


def draw_running_sum(record: Record) -> Figure:
    """Draw what ``draw_frame`` shows in turn as one still: both passes, and the sum, term by term.

    Returns:
        The figure, closed for pyplot.

    Example:
        >>> ones = np.ones((2, 3))
        >>> record = Record(ones, ones, ones, ones, terms=np.ones((2, 6, 3)))
        >>> draw_running_sum(record).axes[-1].get_title()
        '+ step 0\\n= the whole'
    """
    timesteps, units = record.states.shape
    sums = _running_sums(record)
    width = max(timesteps * (0.55 * units + 0.4), 1.25 * timesteps + 1.5, 8)
    heights = [1.0 + 0.4 * units, 1.15 + 0.4 * record.terms.shape[1]]
    figure = plt.figure(figsize=(width, sum(heights)), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=heights)
    passes = upper.subplots(1, 2)
    everything = np.full(timesteps, True)
    _draw_passes(record, passes, everything, everything)
    passes[0].set_title("Forward →  states h(t)", fontsize=11)
    passes[1].set_title("← Backward  gradients δ(t)", fontsize=11)
    axes = lower.subplots(1, timesteps, sharey=True, squeeze=False)[0]
    for number, ax in enumerate(axes):
        draw_heat_map(sums[number], limit=np.abs(sums).max(), rows=record.rows, ax=ax)
        title = f"{'+ ' if number else ''}step {timesteps - 1 - number}"
        ax.set_title(title, fontsize=11, va="bottom")
        ax.set_xlabel("unit")
    axes[-1].set_title(title + "\n= the whole", fontsize=11, va="bottom")
    plt.close(figure)
    return figure


def play_bptt(record: Record):  # -> ipywidgets.VBox
    """Return the ``flip_book`` of all frames of ``draw_frame``, 0..2T.

    Example:
        >>> ones = np.ones((1, 2))
        >>> play_bptt(Record(ones, ones, ones, ones, terms=np.ones((1, 4, 2)))).slider.max
        2
    """
    timesteps = len(record.states)
    captions = [describe_frame(frame, timesteps) for frame in range(2 * timesteps + 1)]
    return flip_book(lambda frame: draw_frame(record, frame), captions, name="frame")


def flip_book(draw: Callable[[int], Figure], captions: Sequence[str], *, name: str = "page"):
    """Return a widget that shows one of several figures: play, pause, step, or slide to it.

    All pages are drawn at once and kept as PNGs, so flipping only exchanges pictures. It needs a
    running kernel and nothing from the network.

    Args:
        draw: takes a page's number, from 0, and returns its figure, which is then closed.
        captions: the words above each page, one or more; there are as many pages.
        name: the label of the slider.

    Returns:
        An ``ipywidgets.VBox`` with the attributes ``play``, ``slider``, ``back``, ``forward`` (the
        step buttons), ``caption``, and ``image``.

    Example:
        >>> book = flip_book(lambda number: plt.figure(), ["first", "second"])
        >>> book.forward.click()
        >>> book.slider.value, book.caption.value
        (1, 'second')
    """
    import ipywidgets  # not at the top: stills need no widgets

    pages = [_png(draw(number)) for number in range(len(captions))]
    last = len(pages) - 1
    book = ipywidgets.VBox()
    book.play = ipywidgets.Play(max=last, interval=1500, description=f"Play every {name}")
    book.slider = ipywidgets.IntSlider(max=last, description=name)
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


def _png(figure: Figure) -> bytes:
    png = io.BytesIO()
    # the whole paper, not cropped to what is on it: every page has the same size
    figure.savefig(png, format="png", dpi=100, bbox_inches=figure.bbox_inches)
    plt.close(figure)
    return png.getvalue()
