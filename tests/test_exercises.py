"""Exercises: every one has a solution; a wrong number is refused, in lesson and solution alike."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from chapter14.exercises import HINTS, check, digest_of

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
WRONG = [0.5, [1, 2, 3, 4, 5]]


def cells(path, cell_type):
    notebook = nbformat.read(path, as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == cell_type]


def solution_of(lesson):
    return NOTEBOOKS / "solutions" / f"{lesson.stem}_solutions.ipynb"


def check_calls(path):
    """The `check(answer, ...)` statements of a notebook, digest and source."""
    sources = "\n".join(cells(path, "code"))
    calls = re.findall(r"^check\(\s*answer,.*?\)$", sources, re.S | re.M)
    return {re.search(r'"([0-9a-f]{8})"', call)[1]: call for call in calls}


@pytest.fixture(params=LESSONS, ids=lambda path: path.stem)
def lesson(request):
    return request.param


def test_every_exercise_has_a_solution(lesson):
    text = "\n".join(cells(lesson, "markdown")).partition("## Exercises")[2]
    numbers = re.findall(r"^(?:\*\*(\d+)\. |(\d+)\. \*\*)", text, re.M)
    numbers = [a or b for a, b in numbers]
    assert numbers == [str(n) for n in range(1, len(numbers) + 1)]
    assert len(numbers) >= 4
    assert "project" in text
    solved = re.findall(r"^## (\d+)\. ", "\n".join(cells(solution_of(lesson), "markdown")), re.M)
    assert solved == numbers


def test_lesson_and_solution_check_the_same_answers(lesson):
    assert check_calls(lesson)
    assert check_calls(lesson) == check_calls(solution_of(lesson))


def test_an_open_answer_passes_and_a_wrong_one_gets_its_hint(lesson, capsys):
    for path in (lesson, solution_of(lesson)):
        text = "\n".join([*cells(path, "code"), *cells(path, "markdown")])
        for digest, call in check_calls(path).items():
            assert HINTS[digest] not in text
            exec(call, {"check": check, "answer": None})
            assert capsys.readouterr().out == "not answered yet\n"
            for answer in WRONG:
                with pytest.raises(AssertionError) as refused:
                    exec(call, {"check": check, "answer": answer})
                assert str(refused.value) == HINTS[digest]


def test_every_hint_belongs_to_an_exercise():
    assert HINTS.keys() == {digest for lesson in LESSONS for digest in check_calls(lesson)}


@pytest.mark.parametrize(
    ("answer", "same", "other"),
    [
        (2, 2.0, 3),
        (-0.0, 0, 1e-300),
        (0.12344, 0.12341, 0.1235),  # the first four digits count
        (123_400, 123_412, 123_500),
        ([1, 2], np.array([[1.0, 2.0]]), [2, 1]),
        ([1, 2], (1, 2), [1, 2, 2]),
        ([1, 12], [1.0, 12], [11, 2]),
    ],
)
def test_the_digest_is_that_of_the_same_numbers_only(answer, same, other):
    assert digest_of(answer) == digest_of(same)
    assert digest_of(answer) != digest_of(other)
