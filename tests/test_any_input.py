"""Anything at all for any argument of any public function: a right answer, or the argument named.

The plots have their own cases for arrays in test_plots.py and test_unrolled.py.
"""

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from chapter14 import data, exercises, pad, plots, runtime, unrolled

ARRAYS = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.bool_, np.complex64, "U2"]),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-2, 30)
    | st.floats()
    | st.complex_numbers()
    | st.text(max_size=9)
    | st.binary(max_size=9)
)
ANYTHING = (
    ARRAYS
    | st.recursive(
        PLAIN,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.tuples(inner, inner)
            | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
        ),
        max_leaves=9,
    )
    | st.just(object())
)

IMAGE = np.linspace(0, 1, 28 * 28).reshape(28, 28)
SURE = np.eye(10)[[3, 8]]
DRAWING = np.full((9, 9), 255, np.uint8)
DRAWING[2:7, 4] = 0
HISTORY = {"accuracy": [0.9], "val_accuracy": [0.9]}
STATES = np.array([[0.1, -0.5], [0.3, 0.2]])
PASSES = {"states": STATES, "deltas": STATES, "terms": STATES[:, None, :]}


def unsure(images):
    return np.full((1, 28, 10), 0.1)


def check_pairs(array):
    return data.check_array(array, "array", (None, 2), low=0)


def write(path):
    with runtime.replacing(path) as unfinished:
        unfinished.write_text("whole")


# function, its arguments when all is well, how many cases
CASES = [
    (data.load_results, {"rung": "99"}, 1000),
    (data.load_mnist, {"path": "mnist.npz"}, 500),
    (
        data.augment,
        {"images": DRAWING[None], "seed": (1, 2), "rotation": 5, "shear": 0.1, "zoom": 0.1,
         "shift": 1.0, "elastic": 0.5, "grid": 4},
        1000,
    ),
    (check_pairs, {"array": [[1, 2]]}, 2000),
    (data.check_images, {"images": IMAGE[None]}, 1000),
    (data.check_labels, {"labels": [3, 4]}, 1000),
    (exercises.digest_of, {"answer": 42}, 1000),
    (pad.prepare, {"drawing": DRAWING}, 1000),
    (pad.plot_drawing, {"drawing": DRAWING, "believe": unsure}, 200),
    (pad.digit_pad, {"believe": unsure}, 100),
    (unrolled.describe_moment, {"moment": 3, "timesteps": 5}, 500),
    (unrolled.flip_book, {"draw": lambda _: plt.figure(), "captions": ["a"], "name": "b"}, 100),
    (unrolled.draw_heat_map,
     {"values": STATES, "limit": 1.0, "rows": ["a", "b"], "columns": ["c", "d"], "ax": None}, 200),
    (unrolled.draw_unrolled, {"timesteps": 2, "cost_steps": [1], "moment": None, "ax": None}, 100),
    (unrolled.draw_running_sum, PASSES, 100),
    (plots.plot_rows, {"image": IMAGE, "timestep": 9, "ax": None}, 100),
    (plots.plot_architecture, {"image": IMAGE, "units": 150, "ax": None}, 100),
    (plots.plot_learning_curves, {"history": HISTORY, "label": "a", "book": True, "ax": None}, 100),
    (plots.plot_confusion_matrix, {"y_true": [3], "y_predicted": [4], "ax": None}, 100),
    (plots.plot_digits,
     {"images": IMAGE[None], "labels": [3], "probabilities": SURE[:1], "columns": 8}, 100),
    (plots.plot_confidence, {"labels": [3, 4], "probabilities": SURE, "ax": None}, 100),
    (plots.plot_belief, {"belief": SURE, "label": 3, "ax": None}, 100),
    (plots.plot_beliefs,
     {"images": IMAGE[None], "labels": [3], "beliefs": {"one": unsure(IMAGE)}}, 100),
    (plots.save_figure, {"figure": plt.figure(), "path": "figure.png"}, 200),
    (write, {"path": "note.txt"}, 500),
]  # fmt: skip
# what must be as long as another argument may name that one instead
PARTNERS = {"images": ("labels",), "labels": ("probabilities",), "y_true": ("y_predicted",),
            "states": ("deltas",), "terms": ("rows",), "timesteps": ("moment",),
            "values": ("rows", "columns")}  # fmt: skip


def test_ten_thousand_cases_in_all():
    assert sum(count for *_, count in CASES) >= 10_000


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].__name__)
def test_anything_is_answered_or_the_argument_named(case, tmp_path, monkeypatch):
    function, good, count = case
    monkeypatch.chdir(tmp_path)
    tried = 0

    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
    @given(name=st.sampled_from(sorted(good)), value=ANYTHING)
    def run(name, value):
        nonlocal tried
        tried, started = tried + 1, time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                function(**(good | {name: value}))
            except (TypeError, ValueError, OSError) as error:
                message = str(error)
                assert message.startswith((name, *PARTNERS.get(name, ()), "MNIST")), message
            finally:
                plt.close("all")
        assert time.perf_counter() - started < 10  # seconds: no hang

    run()
    assert tried >= count
