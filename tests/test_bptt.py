"""The two functions of notebook 01, taken out of it, against TensorFlow's tape."""

import ast
from pathlib import Path

import nbformat
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "01_training_rnns.ipynb"


def functions_of_the_notebook(*names: str) -> list:
    scope = {"np": np}
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type != "code" or "def rnn_" not in cell.source:
            continue
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.FunctionDef) and node.name in names:
                exec(ast.unparse(node), scope)
    return [scope[name] for name in names]


rnn_forward, rnn_backward = functions_of_the_notebook("rnn_forward", "rnn_backward")
NAMES = ("dX", "d_initial_state", "d_kernel", "d_recurrent_kernel", "d_bias")


@st.composite
def cases(draw):
    """Return the arrays of a random RNN and the weights of a cost at a random subset of steps."""
    batch, timesteps = draw(st.integers(1, 4)), draw(st.integers(1, 8))
    features, units = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    zero_state = draw(st.booleans())
    arrays = [
        rng.normal(size=(batch, timesteps, features)),
        np.zeros((batch, units)) if zero_state else rng.normal(size=(batch, units)),
        rng.normal(size=(features, units)),
        rng.normal(size=(units, units)) * draw(st.sampled_from([0.1, 0.5, 1.0])),
        rng.normal(size=units),
    ]
    used = draw(st.sets(st.integers(0, timesteps - 1), min_size=1))
    cost_weights = rng.normal(size=(batch, timesteps, units))
    cost_weights[:, [t for t in range(timesteps) if t not in used]] = 0
    return arrays, cost_weights


def tape_gradients(arrays, cost_weights):
    """Return all states, dC/dh(t) that enters, and the tape's gradients of a curved cost."""
    variables = [tf.Variable(array) for array in arrays]
    X, state, kernel, recurrent_kernel, bias = variables
    with tf.GradientTape() as tape:
        states = []
        for t in range(X.shape[1]):
            state = tf.tanh(X[:, t] @ kernel + state @ recurrent_kernel + bias)
            states.append(state)
        states = tf.stack(states, axis=1)
        cost = tf.reduce_sum(cost_weights * (states + states**2))
    gradients = tape.gradient(cost, variables, unconnected_gradients="zero")
    return states.numpy(), [gradient.numpy() for gradient in gradients]


def error(a, reference):
    assert a.shape == reference.shape
    largest = np.abs(reference).max()
    if not largest:
        return 0.0 if not a.any() else np.inf
    return np.abs(a - reference).max() / largest


def check(arrays, cost_weights):
    expected_states, expected = tape_gradients(arrays, cost_weights)
    X, initial_state, kernel, recurrent_kernel, _ = arrays
    states = rnn_forward(*arrays)
    assert error(states, expected_states) < 1e-12
    entering = cost_weights * (1 + 2 * states)
    ours = rnn_backward(entering, X, initial_state, states, kernel, recurrent_kernel)
    errors = dict(zip(NAMES, map(error, ours, expected), strict=True))
    assert max(errors.values()) < 1e-10, errors


rng = np.random.default_rng(0)
ONE_OF_EACH = [rng.normal(size=shape) for shape in ((1, 1, 1), (1, 1), (1, 1), (1, 1), (1,))]


@settings(max_examples=200, deadline=None)
@example((ONE_OF_EACH, np.ones((1, 1, 1))))
@given(cases())
def test_the_functions_equal_the_tape_in_float64(case):
    check(*case)


def test_arguments_are_left_as_they_were():
    arrays = [rng.normal(size=s) for s in ((2, 3, 2), (2, 4), (2, 4), (4, 4), (4,))]
    states = rnn_forward(*arrays)
    arguments = [rng.normal(size=(2, 3, 4)), arrays[0], arrays[1], states, arrays[2], arrays[3]]
    before = [argument.copy() for argument in arguments]
    rnn_backward(*arguments)
    assert all(map(np.array_equal, arguments, before))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("+ carried", "+ 0 * carried"),
        ("if t > 0 else initial_state", "if True else initial_state"),
        ("1 - states[:, t] ** 2", "1 - states[:, t]"),
        ("recurrent_kernel.T", "recurrent_kernel"),
    ],
)
def test_a_mistake_in_the_backward_pass_is_found(monkeypatch, right, wrong):
    (cell,) = [c for c in nbformat.read(NOTEBOOK, 4).cells if "def rnn_backward" in c.source]
    assert cell.source.count(right) == 1
    scope = {"np": np}
    (function,) = [
        node
        for node in ast.parse(cell.source.replace(right, wrong)).body
        if isinstance(node, ast.FunctionDef)
    ]
    exec(ast.unparse(function), scope)
    monkeypatch.setitem(globals(), "rnn_backward", scope["rnn_backward"])
    arrays = [rng.normal(size=s) for s in ((2, 4, 2), (2, 3), (2, 3), (3, 3), (3,))]
    with pytest.raises(AssertionError):
        check(arrays, rng.normal(size=(2, 4, 3)))
