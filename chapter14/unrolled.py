"""The network unrolled through time: both passes, heat maps, and a viewer that steps through them.

Nothing here computes a gradient. The notebooks do, and pass what they computed as a ``Record``.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrow, FancyArrowPatch, FancyBboxPatch

from chapter14.plots import BLUE, GREEN, ORANGE

STATE, OUTPUT, GRADIENT = BLUE, GREEN, ORANGE
INPUT, FORWARD, LOSS, FAINT, QUIET = "#666666", "#444444", "#B07800", "#b5b5b5", "#808080"
DASHES = (0, (4, 2.5))

INCH = 0.74  # of paper for one unit of the drawing
PITCH = 2.2  # from one step to the next
BOX = 1.15  # width of a state or an output
LANE = 0.25  # forward and gradient run side by side, each this far from the middle
WIDEST = 0.40  # width of the arrow with the largest norm
LEFT, RIGHT = 2.45, 1.7  # room beside the first and the last step
Y_LOSS, Y_OUTPUT, Y_INPUT, Y_PARAMETERS = 3.45, 1.85, -1.75, -3.15


@dataclass(frozen=True)
class Record:
    """What backpropagation through time computed for one sequence of T steps.

    Attributes:
        states: h(t), shape (T, units).
        d_outputs: the gradient of the loss with respect to y(t), the other outputs held fixed,
            shape (T, units): zero where the loss doesn't use the output.
        carried: delta(t) Wh^T, which step t carries to the state before it, shape (T, units).
        deltas: delta(t), shape (T, units).
        terms: the term that each step adds to the gradient of the parameters, shape
            (T, rows, units): kernel, recurrent kernel, and bias, for example, one below the other.
        rows: the labels of the rows of a term. None: their numbers.
    """

    states: np.ndarray
    d_outputs: np.ndarray
    carried: np.ndarray
    deltas: np.ndarray
    terms: np.ndarray
    rows: Sequence[str] | None = None


def draw_unrolled(
    timesteps: int, loss_steps, *, d_outputs=None, carried=None, landing=None, frame=None, ax=None
) -> Axes:
    """Draw a recurrent network unrolled through time: forward dashed, the gradient solid.

    An output that the loss doesn't use is pale and says so: ignored. Without norms, only the
    forward pass is drawn. With them, a gradient arrow is as wide as its norm, all on one scale, and
    has the norm beside it; a norm of zero has no arrow.

    Args:
        timesteps: how many steps, T.
        loss_steps: the steps, 0..T-1, whose outputs the loss uses, at least one.
        d_outputs: norms of the gradient that enters through each output, shape (T,).
        carried: norms of what each step carries to the state before it, delta(t) Wh^T, (T,).
        landing: norms of each step's term of the gradient of the parameters, (T,). Or a dictionary
            of such norms, one for each parameter's label: the arrow is as wide as all of them
            together, and each is written beside it.
        frame: draw only what has happened by then: step t forward at frame t, the loss at T, step t
            backward at 2T - t. What a step carries is drawn when the step before takes it, and for
            step 0 at once. The box of this frame has a thick edge. None draws all.

    Returns:
        The Axes. Every arrow has a gid, for example ``gradient-loss-y2`` or ``forward-x0-h0``.
        Without ``ax``, the label of the new figure says in words what is drawn.

    Example:
        >>> ax = draw_unrolled(3, [2], d_outputs=[0, 0, 4], carried=[1, 2, 3], landing=[1, 1, 1])
        >>> sorted(patch.get_gid() for patch in ax.patches if "loss" in patch.get_gid())
        ['forward-y2-loss', 'gradient-loss-y2', 'node-loss']
    """
    backward = d_outputs is not None
    width = PITCH * (timesteps - 1) + LEFT + RIGHT
    bottom = (Y_PARAMETERS if backward else Y_INPUT) - 1.4
    if ax is None:
        size = (INCH * width, INCH * (4 - bottom))
        ax = plt.subplots(figsize=size, layout="constrained")[1]
        ax.figure.set_label(_describe(timesteps, loss_steps, d_outputs, frame))
    ax.set(aspect="equal", xlim=(-LEFT, width - LEFT), ylim=(bottom, 4))
    ax.axis("off")
    if frame is None:
        frame = 2 * timesteps + 1  # when all is over
    _draw_forward(ax, timesteps, sorted(loss_steps), frame)
    handles = [plt.Line2D([], [], color=FORWARD, lw=1.4, ls=DASHES, label="forward")]
    if backward:
        _draw_backward(ax, timesteps, frame, d_outputs, carried, landing)
        handles += [plt.Line2D([], [], color=GRADIENT, lw=6, label="gradient (width: norm)")]
    legend = ax.legend(handles=handles, loc="lower left", fontsize=12, frameon=False)
    legend.set_in_layout(False)  # the drawing isn't made smaller for it
    return ax


def _describe(timesteps, loss_steps, d_outputs, frame):
    """Return the alternative text of ``draw_unrolled``."""
    words = f"A recurrent network unrolled over {timesteps} timesteps, "
    words += f"whose loss uses {_outputs(sorted(loss_steps))} alone."
    if frame is not None:
        return f"{words} {_describe_frame(frame, timesteps)}."
    if d_outputs is not None:
        entered = _outputs(np.flatnonzero(d_outputs)) or "no output"
        words += (
            f" The gradient enters at {entered} and flows back through the states to the "
            "parameters, each arrow as wide as its norm."
        )
    return words


def _outputs(steps):
    if len(steps) > 4 and len(steps) == steps[-1] - steps[0] + 1:  # dots would hide a gap
        return f"y({steps[0]}), …, y({steps[-1]})"
    return ", ".join(f"y({t})" for t in steps)


def _draw_forward(ax, timesteps, loss_steps, frame):
    note = {"color": QUIET, "fontsize": 12, "style": "italic", "ha": "center", "va": "center"}
    for y, words in [(Y_OUTPUT, "outputs"), (0.62, "initial state"), (Y_INPUT, "inputs")]:
        ax.text(-1.7, y, words, **note)
    _box(ax, "h-1", -1.7, 0, 0.97, 0.8, "$h(-1)$", "#777777", dashed=True)
    ended = frame >= timesteps
    for t in range(timesteps):
        x = PITCH * t
        lane = x - LANE
        before = x - PITCH + BOX / 2 if t > 0 else -1.21
        reached = frame >= t
        used = t in loss_steps
        known = reached and used
        back = frame == 2 * timesteps - t
        state = GRADIENT if back else STATE
        _box(ax, f"x{t}", lane, Y_INPUT, 0.66, 0.58, f"$x({t})$", INPUT, pale=not reached)
        _box(
            ax, f"h{t}", x, 0, BOX, 0.95, f"$h({t})$", state, not reached, thick=back or frame == t
        )
        _box(ax, f"y{t}", x, Y_OUTPUT, BOX, 0.7, f"$y({t})$", OUTPUT, not known, dashed=not used)
        _dashed(ax, f"h{t - 1}-h{t}", (before, LANE), (x - BOX / 2, LANE), not reached)
        _dashed(ax, f"x{t}-h{t}", (lane, Y_INPUT + 0.3), (lane, -0.48), not reached)
        _dashed(ax, f"h{t}-y{t}", (lane, 0.48), (lane, Y_OUTPUT - 0.35), not known)
        if used:
            _dashed(ax, f"y{t}-loss", (lane, Y_OUTPUT + 0.35), (lane, Y_LOSS - 0.38), not ended)
        else:
            ax.text(x, Y_OUTPUT + 0.57, "ignored", gid=f"ignored-y{t}", **note)
    first, last = loss_steps[0], loss_steps[-1]
    names = _outputs(loss_steps).replace(" …, ", "\\ …,\\ ")  # mathtext drops plain blanks
    middle = PITCH * (first + last) / 2
    width = max(PITCH * (last - first) + BOX, 2.1)
    words = f"loss $C({names})$"
    _box(ax, "loss", middle, Y_LOSS, width, 0.76, words, LOSS, not ended, thick=frame == timesteps)


def _draw_backward(ax, timesteps, frame, d_outputs, carried, landing):
    words = "gradient of $W_x,\\ W_h,\\ b$"
    if timesteps > 3:
        words += ": the sum of the terms of all steps"
    middle = PITCH * (timesteps - 1) / 2
    width = max(PITCH * (timesteps - 1) + BOX, 3.2)
    started = frame > timesteps
    _box(ax, "parameters", middle, Y_PARAMETERS, width, 0.7, words, GRADIENT, pale=not started)
    parts = landing if isinstance(landing, dict) else {"": landing}
    landing = np.linalg.norm(list(parts.values()), axis=0)
    largest = max(*d_outputs, *carried, *landing)
    for t in range(timesteps):
        if frame < 2 * timesteps - t:
            continue
        x = PITCH * t
        lane = x + LANE
        before = x - PITCH + BOX / 2 if t > 0 else -1.24
        arrows = [
            (f"loss-y{t}", (lane, Y_LOSS - 0.38), (lane, Y_OUTPUT + 0.35), d_outputs[t]),
            (f"y{t}-h{t}", (lane, Y_OUTPUT - 0.35), (lane, 0.48), d_outputs[t]),
            (
                f"h{t}-parameters",
                (lane + 0.08, -0.48),
                (lane + 0.08, Y_PARAMETERS + 0.35),
                landing[t],
            ),
        ]
        if t == 0 or frame > 2 * timesteps - t:
            arrows += [(f"h{t}-h{t - 1}", (x - BOX / 2, -LANE), (before, -LANE), carried[t])]
        for name, start, end, norm in arrows:
            if norm > 0:
                numbers = {"": norm}
                if name.endswith("parameters"):
                    numbers = {label: norms[t] for label, norms in parts.items()}
                lines = [f"{label} {_written(n, norm)}".strip() for label, n in numbers.items()]
                _solid(ax, name, start, end, lines, WIDEST * norm / largest)


def _box(ax, name, x, y, width, height, words, color, pale=False, dashed=False, thick=False):
    pad = 0.06
    box = FancyBboxPatch(
        (x - width / 2 + pad, y - height / 2 + pad),
        width - 2 * pad,
        height - 2 * pad,
        boxstyle=f"round,pad={pad},rounding_size=0.16",
        facecolor="white" if pale or dashed else to_rgba(color, 0.13),
        edgecolor=FAINT if pale else color,
        linestyle=(0, (3, 2.5)) if dashed else "-",
        linewidth=4 if thick else 1.5,
        gid=f"node-{name}",
        zorder=3,
    )
    ax.add_patch(box)
    style = {"color": QUIET if pale else "#222222", "fontsize": 13, "zorder": 4}
    ax.text(x, y, words, ha="center", va="center", gid=f"label-{name}", **style)


def _dashed(ax, name, start, end, pale):
    style = {"arrowstyle": "-|>", "mutation_scale": 11, "shrinkA": 1, "shrinkB": 1, "lw": 1.4}
    color = FAINT if pale else FORWARD
    gid = f"forward-{name}"
    ax.add_patch(FancyArrowPatch(start, end, color=color, ls=DASHES, gid=gid, zorder=2, **style))


def _solid(ax, name, start, end, lines, width):
    (x, y), dx, dy = start, end[0] - start[0], end[1] - start[1]
    head = {"head_width": width + 0.2, "head_length": 0.22, "length_includes_head": True}
    style = {"color": GRADIENT, "lw": 0.4, "gid": f"gradient-{name}", "zorder": 2}
    ax.add_patch(FancyArrow(x, y, dx, dy, width=width, **head, **style))
    style = {"color": "#A34700", "fontsize": 11, "zorder": 4, "gid": f"norm-{name}"}
    if dx:  # below the arrow
        place = (x + dx / 2 + 0.04, y - width / 2 - 0.16)
        ax.text(*place, lines[0], ha="center", va="top", **style)
    elif not name.startswith("y"):  # from output to state the norm is the same again
        below = 0.5 if len(lines) == 1 else 0.72  # several have room below the next input
        place = (x + width / 2 + 0.12, y + below * dy)
        ax.text(*place, "\n".join(lines), ha="left", va="center", **style)


def draw_heat_map(values, *, limit=None, rows=None, shown=None, ax: Axes | None = None) -> Axes:
    """Draw a matrix of signed numbers as colors, red above zero and blue below, each written in.

    Where the largest is below 0.005, or 1000 and more, numbers are written like −3e−9.

    Args:
        values: real numbers, shape (n, m).
        limit: the number that has the deepest color. None: the largest absolute value.
        rows: the labels of the n rows. None: their numbers.
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
    limit = limit or largest or 1  # zeros alone are white, whatever the limit
    if ax is None:
        size = (0.75 * width + 1.6, 0.55 * height + 1.2)
        ax = plt.subplots(figsize=size, layout="constrained")[1]
        ax.figure.set_label(
            f"A heat map of {height} × {width} numbers: red above zero, blue below."
        )
    ax.set_facecolor("#f4f4f4")
    style = {"cmap": "RdBu_r", "aspect": "auto", "interpolation": "nearest"}
    ax.imshow(np.ma.array(values, mask=~shown), vmin=-limit, vmax=limit, **style)
    for row, column in np.argwhere(shown):
        value = values[row, column]
        color = "white" if abs(value) > 0.62 * limit else "#222222"
        style = {"ha": "center", "va": "center", "fontsize": 10, "color": color}
        ax.text(column, row, _written(value, largest), **style)
    ax.set_xticks(range(width))
    ax.set_yticks(range(height), rows)
    ax.set_xticks(np.arange(0.5, width - 1), minor=True)  # white lines between the numbers
    ax.set_yticks(np.arange(0.5, height - 1), minor=True)
    ax.grid(True, which="minor", color="white", linewidth=1.5)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    return ax


def _written(value, largest):
    """Return ``value`` in six characters at most, for numbers of the size of ``largest``."""
    if value == 0 or 0.005 <= largest < 1000:
        text = f"{value:z.2f}" if largest < 100 else f"{value:z.1f}"
    else:
        digit, power = f"{value:.0e}".split("e")
        text = f"{digit}e{int(power)}"
    return text.replace("-", "−")


def _describe_frame(frame: int, timesteps: int) -> str:
    """Return in words what happens at this frame, 0..2T, of ``_draw_frame``.

    Example:
        >>> _describe_frame(5, 5)
        'The loss compares the outputs that it uses with their targets'
    """
    if frame < timesteps:
        before = "initial state" if frame == 0 else f"state h({frame - 1})"
        return f"Forward, step {frame}: x({frame}) and the {before} make h({frame})"
    if frame == timesteps:
        return "The loss compares the outputs that it uses with their targets"
    step = 2 * timesteps - frame
    return f"Backward, step {step}: its term joins the sum, and the gradient is carried on"


def _draw_frame(record: Record, frame: int) -> Figure:
    """Draw one frame of backpropagation through time, 0..2T.

    Above is the unrolled network with what has happened so far, as ``draw_unrolled`` draws it.
    Below are the states, the deltas, and the running sum of the gradient beside its total.
    The figure is closed for pyplot: a notebook shows it only as the value of a cell.

    Example:
        >>> ones = np.ones((2, 3))
        >>> record = Record(ones, ones, ones, ones, terms=np.ones((2, 6, 3)))
        >>> [ax.get_title() for ax in _draw_frame(record, 4).axes[1:]]
        ['States h(t)', 'Gradient δ(t)', 'Sum of 2 terms', 'Whole gradient']
    """
    timesteps, units = record.states.shape
    steps = np.arange(timesteps)
    back = steps >= 2 * timesteps - frame
    cells = np.maximum([timesteps, timesteps, units, units], 3)  # enough for the title above
    network = INCH * (PITCH * (timesteps - 1) + LEFT + RIGHT)
    heights = [INCH * 8.55, 0.36 * max(record.terms.shape[1], units)]
    figure, axes = plt.subplot_mosaic(
        [["network"] * 4, ["states", "deltas", "running", "total"]],
        figsize=(max(network, 0.55 * cells.sum() + 2.2), sum(heights) + 1.4),
        width_ratios=cells,
        height_ratios=heights,
        layout="constrained",
    )
    title = _describe_frame(frame, timesteps)
    figure.suptitle(title, x=0.02, ha="left", fontsize=14, weight="bold")
    draw_unrolled(
        timesteps,
        np.flatnonzero(record.d_outputs.any(axis=1)),
        d_outputs=np.linalg.norm(record.d_outputs, axis=1),
        carried=np.linalg.norm(record.carried, axis=1),
        landing=np.linalg.norm(record.terms, axis=(1, 2)),
        frame=frame,
        ax=axes["network"],
    )
    _draw_steps(axes["states"], record.states, "States h(t)", steps <= frame, limit=1)
    _draw_steps(axes["deltas"], record.deltas, "Gradient δ(t)", back)
    count = back.sum()
    title = f"Sum of {count} term{'s' if count > 1 else ''}" if count else "No term yet"
    _draw_sum(axes["running"], record, record.terms[back].sum(axis=0), title, shown=count > 0)
    _draw_sum(axes["total"], record, record.terms.sum(axis=0), "Whole gradient")
    plt.close(figure)
    return figure


def draw_running_sum(record: Record) -> Figure:
    """Draw all frames as one still: both passes, and below them the sum, term after term.

    The figure is closed for pyplot.

    Example:
        >>> ones = np.ones((2, 3))
        >>> record = Record(ones, ones, ones, ones, terms=np.ones((2, 6, 3)))
        >>> [ax.get_title() for ax in draw_running_sum(record).axes[2:]]
        ['step 1', '+ step 0\\n= the whole']
    """
    timesteps, units = record.states.shape
    width = max(timesteps * (0.55 * units + 0.4), 1.25 * timesteps + 1.5, 8)
    heights = [1.0 + 0.4 * units, 1.15 + 0.4 * record.terms.shape[1]]
    figure = plt.figure(figsize=(width, sum(heights)), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=heights)
    left, right = upper.subplots(1, 2)
    _draw_steps(left, record.states, "Forward →  states h(t)", limit=1)
    _draw_steps(right, record.deltas, "← Backward  gradients δ(t)")
    titles = [f"+ step {t}" for t in reversed(range(timesteps))]
    titles[0] = f"step {timesteps - 1}"
    titles[-1] += "\n= the whole"
    axes = lower.subplots(1, timesteps, sharey=True, squeeze=False)[0]
    for ax, values, title in zip(axes, _running_sums(record), titles, strict=True):
        _draw_sum(ax, record, values, title)
    figure.set_label(
        f"Heat maps of the states h(t) and the gradients δ(t) of {timesteps} timesteps. "
        "Below them, the sum of the gradient's terms after each step back, the last step first."
    )
    plt.close(figure)
    return figure


def _running_sums(record):
    """Return the sums of the terms of the last 1, 2, ..., T steps, shape (T, rows, units)."""
    return np.cumsum(record.terms[::-1], axis=0)


def _draw_steps(ax, values, title, shown=True, limit=None):
    """Draw the vectors of all steps, (T, units), as columns; only those ``shown``, (T,)."""
    draw_heat_map(values.T, limit=limit, shown=np.broadcast_to(shown, values.T.shape), ax=ax)
    ax.set_title(title, fontsize=11)
    ax.set(xlabel="timestep", ylabel="unit")


def _draw_sum(ax, record, values, title, shown=True):
    limit = np.abs(_running_sums(record)).max()  # one scale: a color keeps its meaning
    shown = np.full(values.shape, shown)
    draw_heat_map(values, limit=limit, rows=record.rows, shown=shown, ax=ax)
    ax.set_title(title, fontsize=11, va="bottom")
    ax.set_xlabel("unit")


def play_bptt(record: Record):
    """Return the ``flip_book`` of all frames of ``_draw_frame``.

    Example:
        >>> ones = np.ones((1, 2))
        >>> play_bptt(Record(ones, ones, ones, ones, terms=np.ones((1, 4, 2)))).slider.max
        2
    """
    timesteps = len(record.states)
    captions = [_describe_frame(frame, timesteps) for frame in range(2 * timesteps + 1)]
    return flip_book(lambda frame: _draw_frame(record, frame), captions, name="frame")


def flip_book(draw: Callable[[int], Figure], captions: Sequence[str], *, name: str = "page"):
    """Return a widget that shows one of several figures: play, pause, step, or slide to it.

    ``draw`` takes a page's number, from 0, and returns its figure, which is then closed. There are
    as many pages as ``captions``, the words above them; ``name`` is the label of the slider. All
    pages are drawn at once, so turning one only exchanges pictures.

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

    def turn(change):
        book.image.value = pages[change["new"]]
        book.caption.value = captions[change["new"]]

    def step(by):
        book.slider.value += by  # the slider itself stops at its ends

    book.slider.observe(turn, "value")
    book.back.on_click(lambda _: step(-1))
    book.forward.on_click(lambda _: step(1))
    controls = ipywidgets.HBox([book.play, book.back, book.forward, book.slider])
    controls.layout.flex_flow = "row wrap"
    book.children = [controls, book.caption, book.image]
    return book


def _png(figure):
    png = io.BytesIO()
    # the whole paper, not cropped to what is on it, so that every page has the same size
    figure.savefig(png, format="png", dpi=100, bbox_inches=figure.bbox_inches)
    plt.close(figure)
    return png.getvalue()
