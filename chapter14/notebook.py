"""What a lesson needs from its notebook: TensorFlow without start-up noise, settings, figures.

A reader's own settings of Keras and matplotlib would change what a lesson computes or shows.
``quiet_import`` and ``use_style`` start from the libraries' defaults instead.
"""

import base64
import contextlib
import html
import io
import logging
import os
import platform
import sys
import tempfile
import warnings
from collections.abc import Iterator

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

# The message of a check that other numbers than the lesson's may fail.
AS_WRITTEN = "This holds for the lesson as written. If you changed a number above, go on."


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Import TensorFlow and Keras: no start-up messages, and Keras' own defaults.

    TensorFlow writes some messages to file descriptor 2, which Jupyter shows in red, before it
    reads any log level. So that descriptor points elsewhere during the import. If the import fails,
    everything held back is shown. On a GPU, TensorFlow takes memory as it needs it, so several
    notebooks can share one.

    Keras runs on TensorFlow, in float32, channels last, and as many epochs as ``fit`` is told,
    whatever ``KERAS_BACKEND``, ``KERAS_MAX_EPOCHS``, or ``~/.keras/keras.json`` say.

    Raises:
        RuntimeError: Keras was imported before, on another backend.

    Example:
        >>> with quiet_import():
        ...     import tensorflow as tf
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # from C++, errors only
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    for limit in ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):  # they'd cut a training short
        os.environ.pop(limit, None)
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held_back, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Keras 3.13 under NumPy 2.1
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(stderr, 2)  # first, or the next lines would be held back too
            held_back.seek(0)
            print(held_back.read().decode(errors="replace"), file=sys.stderr)
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            # TensorFlow has set its own level by now; this silences its advice on retracing.
            logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if "keras" in sys.modules:
        _reset_keras()


def _reset_keras() -> None:
    """Undo what the environment or Keras' configuration file has set."""
    import keras

    if int(keras.__version__.split(".")[0]) < 3:
        raise RuntimeError(
            f"This lesson needs Keras 3, and Keras {keras.__version__} is installed: run "
            "%pip install --upgrade tensorflow keras, then restart the kernel."
        )
    if keras.config.backend() != "tensorflow":
        raise RuntimeError(
            f"Keras already runs on {keras.config.backend()} here, and this lesson needs "
            "TensorFlow: restart the kernel, then run the cells from the top."
        )
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_epsilon(1e-7)


def use_style() -> None:
    """Draw figures below their cells, in the style of the lessons, with alternative text.

    The style starts from matplotlib's defaults: a reader's own settings, such as
    ``image.origin: lower`` or ``text.usetex: True``, would change what a picture says. In IPython
    the inline backend is selected, whatever ``MPLBACKEND`` says, and each figure is stored as HTML
    with the text of ``describe_figure``, and as PNG for places that show no HTML.

    Example:
        >>> with plt.rc_context({"image.origin": "lower"}):
        ...     use_style()
        ...     plt.rcParams["image.origin"]
        'upper'
    """
    shell = "IPython" in sys.modules and sys.modules["IPython"].get_ipython()
    if shell:
        shell.run_line_magic("matplotlib", "inline")
        shell.run_line_magic("config", "InlineBackend.close_figures = True")
        for formatter in shell.display_formatter.formatters.values():
            formatter.pop(Figure, None)
        shell.display_formatter.mimebundle_formatter.for_type(Figure, _mimebundle)
    plt.style.use(["default", "chapter14.style"])


def _mimebundle(figure: Figure, include=None, exclude=None) -> dict[str, str]:
    """Return what a notebook shows of a figure; the PNG has a palette, so it's small."""
    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=figure.dpi, bbox_inches="tight")
    palette = Image.open(full).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    palette.save(small, "PNG", optimize=True)
    png = base64.b64encode(small.getvalue()).decode()
    alt = describe_figure(figure)
    return {
        "text/html": f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{png}">',
        "image/png": png,
        "text/plain": alt,
    }


def describe_figure(figure: Figure) -> str:
    """Return the alternative text of a figure: its label, or else what is written on it.

    That is the title of the figure, and of each panel its title, the axis labels, and the legend.

    Example:
        >>> figure, ax = plt.subplots()
        >>> ax.plot([0.9, 0.2], label="training")
        [...]
        >>> ax.set(title="The loss falls", xlabel="epoch", ylabel="loss")
        [...]
        >>> ax.legend()
        <...>
        >>> describe_figure(figure)
        'The loss falls. y: loss, x: epoch. Legend: training.'
        >>> plt.close(figure)
    """
    if figure.get_label():
        return figure.get_label()
    parts = [text.get_text() for text in figure.texts]
    parts += [part for ax in figure.axes for part in _describe_panel(ax)]
    legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())]
    entries = [text.get_text() for legend in legends for text in legend.get_texts()]
    if entries:
        parts.append("Legend: " + "; ".join(dict.fromkeys(entries)))
    words = [" ".join(part.split()) for part in dict.fromkeys(parts) if part]
    return "".join(f"{part.rstrip('.')}. " for part in words).rstrip()


def _describe_panel(ax) -> list[str]:
    titles = [ax.get_title(loc) for loc in ("left", "center", "right")]
    labels = [("y", ax.get_ylabel()), ("x", ax.get_xlabel())]
    return [*titles, ", ".join(f"{axis}: {label}" for axis, label in labels if label)]


def usable_cores() -> int:
    """Return how many cores this process may use, which can be fewer than the machine has.

    Example:
        >>> usable_cores() >= 1
        True
    """
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def describe_runtime() -> str:
    """Return one line: the GPU or CPU that TensorFlow uses, and the versions.

    Example:
        >>> "TensorFlow" in describe_runtime()
        True
    """
    import keras
    import numpy as np
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "unnamed")
        device = f"GPU ({name})" if len(gpus) == 1 else f"{len(gpus)} GPUs ({name})"
    else:
        cores = usable_cores()
        device = f"CPU ({cores} core{'s' if cores > 1 else ''})"
    return (
        f"{device} · Python {platform.python_version()} · TensorFlow {tf.__version__} · "
        f"Keras {keras.__version__} · NumPy {np.__version__}"
    )
