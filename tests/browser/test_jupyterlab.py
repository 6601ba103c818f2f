"""Notebooks in a real browser: run all, play, draw."""

import re
import statistics
from pathlib import Path

import nbformat
import pytest

sync_api = pytest.importorskip("playwright.sync_api")
ROOT = Path(__file__).parents[2]
RED = ", ".join(
    f"[data-mime-type='application/vnd.jupyter.{kind}']" for kind in ("stderr", "error")
)
RUNNING = """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]
    .some(prompt => prompt.textContent.includes('*'))"""
BROKEN_PICTURES = """() => [...document.querySelectorAll('.jp-OutputArea img')]
    .filter(picture => !picture.complete || !picture.naturalWidth).length"""
LESSONS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))

# One stroke or several for each digit, as one would write it; x to the right, y down, in 0..1.
DIGITS = {
    "0": [[(0.5, 0.1), (0.3, 0.2), (0.2, 0.5), (0.3, 0.8), (0.5, 0.9), (0.7, 0.8), (0.8, 0.5),
           (0.7, 0.2), (0.5, 0.1)]],
    "1": [[(0.55, 0.1), (0.5, 0.5), (0.45, 0.9)]],
    "2": [[(0.25, 0.3), (0.35, 0.13), (0.55, 0.1), (0.7, 0.2), (0.7, 0.38), (0.5, 0.62),
           (0.25, 0.88), (0.5, 0.86), (0.8, 0.88)]],
    "3": [[(0.25, 0.18), (0.5, 0.1), (0.7, 0.2), (0.66, 0.38), (0.45, 0.48), (0.68, 0.56),
           (0.74, 0.74), (0.55, 0.9), (0.25, 0.84)]],
    "4": [[(0.3, 0.1), (0.24, 0.5), (0.75, 0.48)], [(0.7, 0.12), (0.66, 0.5), (0.62, 0.92)]],
    "5": [[(0.72, 0.12), (0.36, 0.12), (0.32, 0.45), (0.55, 0.42), (0.72, 0.58), (0.66, 0.8),
           (0.45, 0.9), (0.25, 0.84)]],
    "6": [[(0.65, 0.1), (0.42, 0.3), (0.3, 0.62), (0.38, 0.86), (0.58, 0.88), (0.68, 0.7),
           (0.55, 0.56), (0.34, 0.66)]],
    "7": [[(0.22, 0.14), (0.5, 0.13), (0.78, 0.14), (0.6, 0.5), (0.45, 0.9)]],
    "8": [[(0.68, 0.22), (0.5, 0.1), (0.34, 0.22), (0.42, 0.42), (0.62, 0.58), (0.68, 0.78),
           (0.5, 0.9), (0.34, 0.78), (0.42, 0.58), (0.6, 0.42), (0.68, 0.22)]],
    "9": [[(0.68, 0.3), (0.52, 0.12), (0.34, 0.24), (0.36, 0.44), (0.56, 0.48), (0.68, 0.3),
           (0.66, 0.6), (0.58, 0.9)]],
}  # fmt: skip

PAD = """\
import numpy as np

from chapter14.drawing import drawing_pad
from chapter14.mnist import RESULTS_FOLDER
from chapter14.notebook import quiet_import

with quiet_import():
    import keras
    import tensorflow as tf

layer = keras.layers.SimpleRNN(150, activation="relu", return_sequences=True)
record = keras.Sequential([keras.Input((28, 28)), layer, keras.layers.Dense(10, "softmax")])
with np.load(RESULTS_FOLDER / "record.npz", allow_pickle=False) as arrays:
    record.set_weights([arrays[name] for name in arrays.files])
drawing_pad(tf.function(record))
"""


class NotebookPage:
    """A notebook opened in a page of JupyterLab or Notebook 7."""

    def __init__(self, browser, address):
        self.page = browser.new_page()
        self.errors = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address)
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)

    def run_all(self):
        self.page.wait_for_selector(
            ".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=60_000
        )
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        self.page.wait_for_function(RUNNING, timeout=10_000)
        self.page.wait_for_function(f"() => !({RUNNING})()", timeout=300_000)

    def nothing_is_red(self):
        red = self.page.locator(RED)
        assert red.count() == 0, red.first.inner_text()

    def looks_right(self, notebook):
        """Nothing red, every formula rendered, every picture shown."""
        self.nothing_is_red()
        page = self.page
        formulas = page.locator(".jp-MarkdownCell mjx-container")
        sync_api.expect(formulas).to_have_count(len(formulas_of(notebook)), timeout=20_000)
        sync_api.expect(page.locator("mjx-merror")).to_have_count(0)
        pictures = page.locator(".jp-OutputArea img, .jp-OutputArea svg")
        assert pictures.count() >= count_of_pictures(notebook)
        page.wait_for_function(f"() => ({BROKEN_PICTURES})() === 0", timeout=10_000)
        assert not self.errors


def formulas_of(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    text = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.S)
    return re.findall(r"\$\$.+?\$\$|\$[^$]+?\$", text, flags=re.S)


def count_of_pictures(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return sum("image/png" in str(o) or "image/svg+xml" in str(o) for o in outputs)


def open_lesson(browser, server, name):
    """Open a lesson in JupyterLab; return its page, and the notebook as it is stored."""
    path = f"notebooks/{name}.ipynb"
    page = NotebookPage(browser, server.address % f"lab/workspaces/{name}/tree/{path}")
    return page, nbformat.read(server.folder / path, as_version=4)


@pytest.mark.parametrize("name", LESSONS[1:])  # the first one is run
def test_lesson_looks_right_with_its_stored_outputs(browser, server, name):
    lesson, notebook = open_lesson(browser, server, name)
    lesson.looks_right(notebook)
    lesson.page.close()


@pytest.fixture(scope="module")
def training_rnns(browser, server):
    lesson, notebook = open_lesson(browser, server, LESSONS[0])
    lesson.run_all()
    yield lesson, notebook
    lesson.page.close()


def test_run_all_leaves_nothing_red(training_rnns):
    lesson, notebook = training_rnns
    lesson.looks_right(notebook)


def test_the_viewer_plays_pauses_and_steps(training_rnns):
    page = training_rnns[0].page
    viewer = page.locator(".jp-OutputArea .widget-vbox").filter(has=page.locator(".widget-play"))
    caption = viewer.locator(".widget-label:not(.widget-hslider *)").first
    picture = viewer.locator("img")
    viewer.scroll_into_view_if_needed()
    first = caption.inner_text()
    first_picture = picture.get_attribute("src")

    viewer.get_by_role("button", name="step ▶").click()
    sync_api.expect(caption).not_to_have_text(first)
    sync_api.expect(picture).not_to_have_attribute("src", first_picture)
    viewer.get_by_role("button", name="step back").click()
    sync_api.expect(caption).to_have_text(first)

    play = viewer.locator(".widget-play button").first  # the same button pauses
    play.click()
    sync_api.expect(caption).not_to_have_text(first)
    play.click()
    page.wait_for_timeout(500)
    paused = caption.inner_text()
    page.wait_for_timeout(2000)  # a frame takes 1.5 s
    assert caption.inner_text() == paused

    viewer.locator(".widget-slider .noUi-handle").focus()
    page.keyboard.press("Home")
    sync_api.expect(caption).to_have_text(first)
    page.keyboard.press("End")
    sync_api.expect(caption).not_to_have_text(first)
    sync_api.expect(picture).not_to_have_attribute("src", first_picture)


class Pad:
    """The drawing pad in a page, with a clock from the end of a stroke to the new picture."""

    def __init__(self, page):
        self.page = page
        self.canvas = page.locator(".jp-OutputArea canvas").first
        self.canvas.scroll_into_view_if_needed()
        box = page.locator(".widget-hbox").filter(has=page.locator("canvas"))
        self.answers = box.locator(".widget-label")
        box.locator("img").evaluate(
            """picture => {
                addEventListener('mouseup', () => { window.strokeEnd = performance.now(); }, true);
                picture.addEventListener('load', () => {
                    window.delay = performance.now() - window.strokeEnd;
                });
            }"""
        )

    def draw(self, strokes, size=0.8):
        """Draw, and return the best answer and the milliseconds after each stroke."""
        box = self.canvas.bounding_box()
        delays = []
        for stroke in strokes:
            before = self.answers.inner_text()
            points = [
                (
                    box["x"] + (0.1 + size * x) * box["width"],
                    box["y"] + (0.1 + size * y) * box["height"],
                )
                for x, y in stroke
            ]
            self.page.evaluate("window.delay = null")
            self.page.mouse.move(*points[0])
            self.page.mouse.down()
            for point in points[1:]:
                self.page.mouse.move(*point, steps=4)
            self.page.mouse.up()
            self.page.wait_for_function("window.delay !== null", timeout=10_000)
            delays.append(self.page.evaluate("window.delay"))
            sync_api.expect(self.answers).not_to_have_text(before)
            self.page.wait_for_timeout(200)  # as long as a hand needs at least
        return self.answers.inner_text()[0], delays

    def clear(self):
        self.page.get_by_role("button", name="Clear").first.click()
        sync_api.expect(self.answers).to_have_text("nothing drawn yet")


def open_pad(browser, server, address):
    cells = [nbformat.v4.new_code_cell(PAD)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, server.folder / "pad.ipynb")
    page = NotebookPage(browser, server.address % address)
    page.run_all()
    page.page.wait_for_selector(".jp-OutputArea canvas", timeout=30_000)
    page.nothing_is_red()
    return Pad(page.page)


@pytest.fixture(scope="module")
def pad(browser, server):
    pad = open_pad(browser, server, "lab/workspaces/pad/tree/pad.ipynb")
    yield pad
    pad.page.close()


def test_digits_drawn_with_the_mouse_are_recognized(pad, capsys):
    pad.draw(DIGITS["1"])  # the first picture takes longer
    pad.clear()
    answers = {}
    delays = []
    for size in (0.8, 0.5):  # large, and small in a corner
        for digit, strokes in DIGITS.items():
            answers[digit, size], milliseconds = pad.draw(strokes, size)
            delays += milliseconds
            pad.clear()
    right = sum(answer == digit for (digit, _), answer in answers.items())
    with capsys.disabled():
        print(f"\n{right} of {len(answers)} drawn digits right, {statistics.median(delays):.0f} ms")
    assert right >= 0.9 * len(answers), answers
    assert statistics.median(delays) < 200, delays


def test_undo_takes_back_a_stroke(pad):
    first, second = DIGITS["4"]
    pad.draw([first])
    before = pad.answers.inner_text()
    pad.draw([second])
    pad.page.get_by_role("button", name="Undo").first.click()
    sync_api.expect(pad.answers).to_have_text(before)
    pad.clear()


def test_the_pad_in_notebook_7(browser, server):
    pad = open_pad(browser, server, "notebooks/pad.ipynb")
    assert pad.draw(DIGITS["3"])[0] == "3"
    pad.page.close()
