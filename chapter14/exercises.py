"""Check the answer to an exercise without showing it."""

import hashlib

import numpy as np

HINTS = {  # by the digest of the right answer
    "73c6486e": "two paths lead from w to C, and the term of step t is h(t-1) delta(t)",
    "91b53ac1": "the gradient flows back in time, never forward",
    "5feceb66": "where does the graph of ReLU have a corner?",
    "ef2d127d": "which delta(t) are still right, and which gradients are made of them?",
    "4e074085": "how many steps back is the input that the output has to repeat?",
}


def check(answer, digest: str, hint: str | None = None) -> None:
    """Print 'right', or 'not answered yet' where the answer is still None.

    Args:
        answer: a number or a sequence of numbers; their first four digits count.
        digest: ``digest_of`` the right answer.
        hint: where to look when the answer is wrong. None: ``HINTS[digest]``, so that the hint
            doesn't stand beside the question.

    Raises:
        AssertionError: the answer is wrong; the message is the hint.

    Example:
        >>> check(None, digest_of(42), "look at section 2")
        not answered yet
        >>> check(42, digest_of(42), "look at section 2")
        right
        >>> check(41, digest_of(42), "look at section 2")
        Traceback (most recent call last):
        ...
        AssertionError: look at section 2
    """
    if answer is None:
        print("not answered yet")
    elif digest_of(answer) == digest:
        print("right")
    else:
        raise AssertionError(hint or HINTS[digest])


def digest_of(answer) -> str:
    """Return eight characters that stand for a number, or for a sequence of numbers in its order.

    Example:
        >>> digest_of(2.0) == digest_of(2), digest_of([1, 2]) == digest_of([2, 1])
        (True, False)
    """
    numbers = np.ravel(answer).astype(float) + 0.0  # so that -0 is 0
    text = " ".join(f"{number:.4g}" for number in numbers)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
