"""Notebooks in a real browser: run all, play, draw."""

import re
import statistics
from pathlib import Path

import nbformat
import pytest

sync_api = pytest.importorskip("playwright.sync_api")
ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
IDLE = """() => {
    const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')];
    return prompts.length && prompts.every(prompt => !prompt.textContent.includes('*'));
}"""
BROKEN_PICTURES = """() => [...document.querySelectorAll('.jp-OutputArea img')]
    .filter(picture => !picture.complete || !picture.naturalWidth).length"""

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

from chapter14.data import RESULTS_FOLDER
from chapter14.pad import digit_pad
from chapter14.runtime import quiet_start

with quiet_start():
    import keras

layer = keras.layers.SimpleRNN(150, activation="relu", return_sequences=True)
record = keras.Sequential([keras.Input((28, 28)), layer, keras.layers.Dense(10, "softmax")])
with np.load(RESULTS_FOLDER / "record.npz", allow_pickle=False) as arrays:
    record.set_weights([arrays[name] for name in arrays.files])
digit_pad(record)
"""


class Lab:
    """A notebook opened in a page."""

    def __init__(self, browser, server, path):
        self.page = browser.new_page(viewport={"width": 1280, "height": 1400})
        self.messages = []
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.goto(server.page % path)
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)

    def run_all(self):
        self.page.wait_for_selector("text=/\\| Idle/", timeout=60_000)
        self.page.click(".lm-MenuBar-itemLabel:text-is('Run')")
        self.page.click("text=Run All Cells")
        self.page.wait_for_timeout(2000)
        self.page.wait_for_function(IDLE, timeout=600_000)
        self.page.wait_for_timeout(2000)  # the last pictures

    def looks_right(self, notebook):
        """Nothing red, every formula rendered, every picture shown."""
        red = self.page.locator("[data-mime-type='application/vnd.jupyter.stderr']")
        assert red.count() == 0, red.first.inner_text()
        formulas = len(formulas_of(notebook))
        rendered = self.page.locator(".jp-MarkdownCell mjx-container")
        for _ in range(40):
            if rendered.count() >= formulas:
                break
            self.page.wait_for_timeout(500)
        assert rendered.count() == formulas
        assert self.page.locator("mjx-merror").count() == 0
        assert self.page.evaluate(BROKEN_PICTURES) == 0
        stored = [o for c in notebook.cells for o in c.get("outputs", []) if "image/png" in str(o)]
        assert self.page.locator(".jp-OutputArea img, .jp-OutputArea svg").count() >= len(stored)
        assert not self.messages


def formulas_of(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    text = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.S)
    return re.findall(r"\$\$.+?\$\$|\$[^$]+?\$", text, flags=re.S)


def open_in_lab(browser, server, prefix):
    """Open a notebook in a workspace of its own, and return it as a Lab and as it is stored."""
    path = next(path for path in NOTEBOOKS if path.name.startswith(prefix))
    lab = Lab(browser, server, f"lab/workspaces/w{prefix}/tree/notebooks/{path.name}")
    return lab, nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def training_rnns(browser, server):
    lab, notebook = open_in_lab(browser, server, "01")
    lab.run_all()
    yield lab, notebook
    lab.page.close()


@pytest.fixture(scope="module")
def sequence_classifier(browser, server):
    lab, notebook = open_in_lab(browser, server, "02")
    lab.run_all()
    yield lab, notebook
    lab.page.close()


def test_01_runs(training_rnns):
    lab, notebook = training_rnns
    lab.looks_right(notebook)


def test_the_player_plays_pauses_and_steps(training_rnns):
    page = training_rnns[0].page
    player = page.locator(".jp-OutputArea .widget-vbox").filter(has=page.locator(".widget-play"))
    caption = player.locator(".widget-label:not(.widget-hslider *)").first
    picture = player.locator("img")
    player.scroll_into_view_if_needed()

    def state():
        return caption.inner_text(), picture.get_attribute("src")

    first = state()
    player.get_by_role("button", name="step ▶").click()
    page.wait_for_timeout(600)
    second = state()
    assert first[0] != second[0]
    assert first[1] != second[1]
    player.get_by_role("button", name="step back").click()
    page.wait_for_timeout(600)
    assert state()[0] == first[0]

    buttons = player.locator(".widget-play button")
    buttons.first.click()
    page.wait_for_timeout(4000)  # a moment takes 1.5 s
    assert state()[0] != first[0]
    buttons.first.click()  # the same button pauses
    page.wait_for_timeout(600)
    paused = state()[0]
    page.wait_for_timeout(3000)
    assert state()[0] == paused

    slider = player.locator(".widget-slider .noUi-handle")
    slider.focus()
    page.keyboard.press("End")
    page.wait_for_timeout(800)
    last = state()
    assert last[0] not in (first[0], paused)
    assert last[1] != first[1]  # the figure follows the slider
    page.keyboard.press("Home")
    page.wait_for_timeout(800)
    assert state()[0] == first[0]


def test_02_runs(sequence_classifier):
    lab, notebook = sequence_classifier
    lab.looks_right(notebook)


class Pad:
    """The drawing pad in a page, with a clock from the end of a stroke to the new picture."""

    def __init__(self, page):
        self.page = page
        self.canvas = page.locator(".jp-OutputArea canvas").first
        self.canvas.scroll_into_view_if_needed()
        box = page.locator(".widget-hbox").filter(has=page.locator("canvas"))
        self.answers, picture = box.locator(".widget-label"), box.locator("img")
        picture.evaluate(
            """picture => {
                addEventListener('mouseup', () => { window.strokeEnd = performance.now(); }, true);
                picture.addEventListener('load', () => {
                    window.delay = performance.now() - window.strokeEnd;
                });
            }"""
        )

    def draw(self, strokes, size=0.8, left=0.1, top=0.1):
        """Draw and return the best answer, and the milliseconds after each stroke."""
        box, delays = self.canvas.bounding_box(), []
        for stroke in strokes:
            before = self.answers.inner_text()
            x, y = box["x"] + left * box["width"], box["y"] + top * box["height"]
            points = [
                (x + size * box["width"] * u, y + size * box["height"] * v) for u, v in stroke
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


def test_digits_drawn_with_the_mouse_are_recognised(sequence_classifier, capsys):
    pad = Pad(sequence_classifier[0].page)
    pad.draw(DIGITS["1"])  # warms the kernel up
    pad.clear()
    answers, delays = {}, []
    for size in (0.8, 0.5):  # large, and small in a corner
        for digit, strokes in DIGITS.items():
            answer, milliseconds = pad.draw(strokes, size)
            answers[digit, size] = answer
            delays += milliseconds
            pad.clear()
    right = sum(answer == digit for (digit, _), answer in answers.items())
    with capsys.disabled():
        print(f"\n{right} of {len(answers)} drawn digits right, {statistics.median(delays):.0f} ms")
    assert right >= 0.9 * len(answers), answers
    assert statistics.median(delays) < 200, delays


def test_undo_takes_back_a_stroke(sequence_classifier):
    pad = Pad(sequence_classifier[0].page)
    first, second = DIGITS["4"]
    pad.draw([first])
    before = pad.answers.inner_text()
    pad.draw([second])
    pad.page.get_by_role("button", name="Undo").first.click()
    sync_api.expect(pad.answers).to_have_text(before)
    pad.clear()


@pytest.mark.parametrize("prefix", [path.name[:2] for path in NOTEBOOKS if path.name[:2] > "02"])
def test_the_others_look_right_with_their_stored_outputs(browser, server, prefix):
    lab, notebook = open_in_lab(browser, server, prefix)
    lab.page.wait_for_timeout(1000)
    lab.looks_right(notebook)
    lab.page.close()


def test_the_pad_in_notebook_7(browser, server):
    cells = [nbformat.v4.new_code_cell(PAD)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, server.folder / "pad.ipynb")
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    page.goto(server.page % "notebooks/pad.ipynb")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_selector(".jp-OutputArea canvas", timeout=120_000)
    page.wait_for_timeout(1000)
    pad = Pad(page)
    assert pad.draw(DIGITS["3"])[0] == "3"
    pad.clear()
    page.close()
