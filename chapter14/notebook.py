"""What a notebook needs from its machine: TensorFlow without start-up noise, and its device."""

import contextlib
import logging
import os
import platform
import sys
import tempfile
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Import TensorFlow without the start-up messages that Jupyter shows in red.

    TensorFlow writes some of them to file descriptor 2 before it reads any log level, so that
    descriptor points elsewhere during the import. If the import fails, everything held back is
    shown. On a GPU, TensorFlow takes memory as it needs it, so several notebooks can share one.

    Example:
        >>> with quiet_import():
        ...     import tensorflow as tf
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # from C++, errors only
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
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


def _usable_cores() -> int:
    """Return how many cores this process may use, which can be fewer than the machine has."""
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
        cores = _usable_cores()
        device = f"CPU ({cores} core{'s' if cores > 1 else ''})"
    return (
        f"{device} · Python {platform.python_version()} · TensorFlow {tf.__version__} · "
        f"Keras {keras.__version__} · NumPy {np.__version__}"
    )
