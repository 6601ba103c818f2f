"""Check the answer to an exercise without showing it."""

import hashlib

import numpy as np


def check(answer, digest: str, hint: str) -> None:
    """Print 'right', or 'not answered yet' where the answer is still None.

    Args:
        answer: a number or a sequence of numbers; their first four digits count.
        digest: ``digest_of`` the right answer.
        hint: where to look when the answer is wrong.

    Raises:
        AssertionError: the answer is wrong; the message is ``hint``.

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
        raise AssertionError(hint)


def digest_of(answer) -> str:
    """Return eight characters that stand for a number, or for a sequence of numbers in its order.

    Example:
        >>> digest_of(2.0) == digest_of(2), digest_of([1, 2]) == digest_of([2, 1])
        (True, False)
    """
    numbers = np.ravel(answer).astype(float) + 0.0  # so that -0 is 0
    text = " ".join(f"{number:.4g}" for number in numbers)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
