"""What a notebook needs from its machine: a quiet TensorFlow, its device, folders, progress."""

import contextlib
import logging
import os
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from chapter14.data import check_path


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Import TensorFlow without the start-up messages that Jupyter shows in red.

    On a GPU, TensorFlow will take memory as it needs it (memory growth), not all of it.

    TensorFlow writes some of them straight to file descriptor 2 before it reads any log level, so
    that descriptor points elsewhere during the import. An error is still an error: if the import
    fails, all that was held back is shown.

    Example:
        >>> with quiet_start():
        ...     import tensorflow as tf
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # errors only from C++, from here on
    # several notebooks can share a GPU if none takes all its memory
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held_back, warnings.catch_warnings():
        # Keras 3.13 under NumPy 2.1; Jupyter's sys.stderr is not descriptor 2
        warnings.simplefilter("ignore", FutureWarning)
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(stderr, 2)
            held_back.seek(0)
            print(held_back.read().decode(errors="replace"), file=sys.stderr)
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            # and from Python, after TensorFlow has set its own level: no retracing advice
            logging.getLogger("tensorflow").setLevel(logging.ERROR)


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
        device = f"CPU ({os.cpu_count()} cores)"
    return (
        f"{device} · Python {platform.python_version()} · TensorFlow {tf.__version__} · "
        f"Keras {keras.__version__} · NumPy {np.__version__}"
    )


def project_folder() -> Path:
    """Return the repository that holds the working directory, else the working directory itself.

    A notebook opened alone, on Colab for example, has no repository around it.

    Example:
        >>> (project_folder() / "models").name
        'models'
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "chapter14" / "data.py").is_file():
            return folder
    return here


def models_folder() -> Path:
    """Return the folder for trained models: ``models`` in the project, made if it is missing.

    Where that cannot be written, in a read-only checkout for example, it is a folder among the
    temporary files, and a line says so.

    Example:
        >>> models_folder().is_dir()
        True
    """
    folder = project_folder() / "models"
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        # on Linux all users share one folder for temporary files
        user = f"-{os.getuid()}" if hasattr(os, "getuid") else ""
        instead = Path(tempfile.gettempdir()) / f"chapter14-models{user}"
        instead.mkdir(mode=0o700, exist_ok=True)
        print(f"{folder} cannot be written ({error.strerror}): models go to {instead}")
        return instead


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a path to write to, which takes the place of ``path`` once it is written.

    If the disk is full, or the writing is interrupted, the file of before stays as it was.

    Args:
        path: the file to write. Its folder is made if it is missing.

    Yields:
        another path in the same folder, with the same ending.

    Raises:
        TypeError, ValueError: ``path`` is not the name of a file.
        OSError: it could not be written; the message names ``path`` and says what has become of it.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with replacing(f"{folder}/note.txt") as unfinished:
        ...         _ = unfinished.write_text("whole, or not at all")
        ...     os.listdir(folder)
        ['note.txt']
    """
    path = check_path(path)
    unfinished = path.with_name(f".{path.stem}.unfinished{path.suffix}")
    outside = sys.exception()  # what the caller is handling is not the cause
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        os.replace(unfinished, path)
    except Exception as error:
        cause = _os_error_behind(error, outside)
        if cause is None:
            raise
        before = "the file of before is as it was" if path.exists() else "nothing was written"
        raise OSError(cause.errno, f"{path}: {cause.strerror}; {before}") from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _os_error_behind(error: BaseException | None, outside: BaseException | None) -> OSError | None:
    """Return the operating system's error in a chain: a library may have met it and failed on."""
    while error is not None and error is not outside:
        if isinstance(error, OSError) and error.errno is not None:
            return error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


def epoch_lines():
    """Return a Keras callback that prints one line an epoch: seconds, loss and accuracy.

    It reads well while it runs and as a stored output; ``fit`` gets ``verbose=0`` beside it.
    Afterwards its ``seconds`` has the duration of each epoch, validation included.

    Raises:
        ValueError: in the first epoch, if the model was compiled without ``metrics=["accuracy"]``
            or ``fit`` has no ``validation_data``.

    Example:
        >>> type(epoch_lines()).__name__
        'EpochLines'
    """
    import keras

    class EpochLines(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.seconds = []
            print("epoch  seconds  train: loss  accuracy  validation: loss  accuracy")

        def on_epoch_begin(self, epoch, logs=None):
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.seconds.append(time.perf_counter() - self.started)
            names = ("loss", "accuracy", "val_loss", "val_accuracy")
            if missing := [name for name in names if name not in logs]:
                raise ValueError(
                    'epoch_lines: expected metrics=["accuracy"] in compile and validation_data in '
                    f"fit, got no {', '.join(missing)}"
                )
            columns = zip((logs[name] for name in names), (11, 8, 16, 8), strict=True)
            numbers = "  ".join(f"{value:{width}.4f}" for value, width in columns)
            print(f"{epoch + 1:5d}  {self.seconds[-1]:7.1f}  {numbers}", flush=True)

    return EpochLines()
