"""Check the answer to an exercise without showing it."""

import hashlib

import numpy as np

HINTS = {  # by the digest of the right answer: a hint beside its question would give it away
    # Training RNNs
    "73c6486e": "two paths lead from w to C, and the term of step t is h(t-1) delta(t)",
    "91b53ac1": "the gradient flows back in time, never forward",
    "5feceb66": "where does the graph of ReLU have a corner?",
    "ef2d127d": "which delta(t) are still right, and which gradients are made of them?",
    "4e074085": "how many steps back is the input that the output has to repeat?",
    # Training a sequence classifier
    "f64bff93": "look at Counting the parameters: the two kernels, the bias, and Dense",
    "b0f39351": "one state per timestep and sequence: (batch, timesteps, units); or (batch, units)",
    "a0a78012": "if one network alone reads a digits and the other b, it is (a - b) / √(a + b)",
    "665d9c04": "count the digits that one of the two alone gets right, seed by seed",
    "cd70bea0": "divide two differences: both losses are subtracted from the mean digit's",
    "3135d2d7": "the errors of two means add up like the sides of a right triangle",
    "69f59c27": "count the weights of each layer as a function of its units",
    # Gradients through time
    "71ee45a3": "look at the bound in section 2: which power of 0.9?",
    "50f84efc": "look at section 5: how many rows has W, with the bias?",
    # Beating the book
    "7902699b": "look at the standard error in notebook 02, and count in mistakes",
    "3055e0d8": "look at the count in section 6: what grows as units squared?",
    # Outgrowing one machine
    "dac53c17": "with eight workers: 2(n-1) rounds, each with one of n parts",
    "4a44dc15": "add the time of the messages that follow each other to 100/n ms",
}


def check(answer, digest: str) -> None:
    """Print 'right', or 'not answered yet' where the answer is still None.

    Args:
        answer: a number or a sequence of numbers; their first four digits count.
        digest: ``digest_of`` the right answer, with a hint in ``HINTS``.

    Raises:
        AssertionError: the answer is wrong; the message is the hint.

    Example:
        >>> check(None, "f64bff93")
        not answered yet
        >>> check(100, "f64bff93")
        Traceback (most recent call last):
        ...
        AssertionError: look at Counting the parameters: the two kernels, the bias, and Dense
    """
    if answer is None:
        print("not answered yet")
    elif digest_of(answer) == digest:
        print("right")
    else:
        raise AssertionError(HINTS[digest])


def digest_of(answer) -> str:
    """Return eight characters that stand for a number, or for a sequence of numbers in its order.

    Example:
        >>> digest_of(2.0) == digest_of(2), digest_of([1, 2]) == digest_of([2, 1])
        (True, False)
    """
    numbers = np.ravel(answer).astype(float) + 0.0  # so that -0 is 0
    text = " ".join(f"{number:.4g}" for number in numbers)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
