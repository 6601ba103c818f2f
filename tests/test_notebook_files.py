"""What a machine can see of the committed notebooks and of README.md."""

import ast
import dataclasses
import html
import json
import re

import nbconvert
import nbformat
import pytest

import notebooks
import release
from chapter14.recipes import RECIPES, Recipe

SCRIPT = re.compile(
    r"<\s*(script|iframe|object|embed|form|link|base|meta)\b|javascript:|<[^>]*\son\w+\s*=", re.I
)
UNSAFE_LOADING = re.compile(
    r"\b(c?pickle|cloudpickle|dill|marshal|shelve|joblib|read_pickle|torch\.load"
    r"|saved_model\.load|load_weights(?!\(weights_path\))|enable_unsafe_deserialization)\b"
    r"|allow_pickle=True|safe_mode=False|from numpy import .*\bload\b"
    r"|\b(np|numpy)\.load\((?!.*allow_pickle=False)|load_model\((?!.*safe_mode=True)"
)
MACHINE_PATH = re.compile(r"(?<![\w.])/(home|root|work|tmp|var|Users|content)/|[A-Z]:\\\\")


def colab_address(path):
    place = f"{release.read_address()}/blob/v{release.read_version()}"
    relative = path.relative_to(release.ROOT).as_posix()
    return f"https://colab.research.google.com/github/{place}/{relative}"


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def markdown(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_executed_in_order_from_a_fresh_kernel(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_normalized_so_that_a_diff_shows_only_what_changed(notebook):
    before = nbformat.writes(notebook)
    notebooks.normalize(notebook)
    assert nbformat.writes(notebook) == before, "run `make normalize`"
    nbformat.validate(notebook)


def test_small_enough_for_github(path):
    assert path.stat().st_size < 1_000_000


def test_nothing_red(notebook):
    for output in outputs(notebook):
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text


def test_outputs_are_of_kinds_that_every_place_shows(notebook):
    kinds = {kind for output in outputs(notebook) for kind in output.get("data", {})}
    assert kinds <= {"image/png", "text/html", "text/plain"}


def test_each_picture_has_alternative_text(notebook):
    shown = [output.get("data", {}) for output in outputs(notebook)]
    pictures = [data for data in shown if "image/png" in data]
    assert pictures
    for picture in pictures:
        [text] = re.findall(r'^<img alt="([^"]{20,})" src=', picture["text/html"])
        assert html.unescape(text) == picture["text/plain"]
    page, _ = nbconvert.HTMLExporter().from_notebook_node(notebook)
    assert len(re.findall('<img alt="[^"]+" src="data:image/png', page)) == len(pictures)
    assert "No description" not in page


def test_no_script_in_a_stored_output(notebook):
    for output in outputs(notebook):
        for kind, content in output.get("data", {}).items():
            assert "javascript" not in kind
            assert kind.startswith("image/png") or not SCRIPT.search(json.dumps(content))


def test_only_safe_loading(notebook):
    for cell in code_cells(notebook):
        assert not UNSAFE_LOADING.search(cell.source), cell.source


@pytest.mark.parametrize("folder", ["chapter14", "benchmarks", "tools"])
def test_only_safe_loading_in_the_modules(folder):
    for path in (release.ROOT / folder).glob("*.py"):
        assert not UNSAFE_LOADING.search(path.read_text(encoding="utf-8")), path


def test_no_path_of_a_machine(notebook):
    for output in outputs(notebook):
        text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
        assert not MACHINE_PATH.search(text), text


def test_it_begins_with_title_and_badge(path, notebook):
    first = notebook.cells[0].source
    assert first.startswith("# ")
    assert f"({colab_address(path)})" in first


def test_its_setup_cell_installs_the_tag_of_this_version(notebook, all_notebooks):
    setup_cell = code_cells(notebook)[0].source
    assert setup_cell == code_cells(all_notebooks["01_training_rnns"])[0].source
    assert f'/{release.read_address()}@v{release.read_version()}"' in setup_cell


def test_its_pictures_are_there_when_it_is_opened_alone(notebook):
    pictures = re.findall(r"!\[[^\]]*\]\(([^)\s]+)|<img[^>]*src=[\"']([^\"']+)", markdown(notebook))
    attached = {name for cell in notebook.cells for name in cell.get("attachments", {})}
    for source in (linked or embedded for linked, embedded in pictures):
        name = source.removeprefix("attachment:")
        assert source.startswith("https://colab.research.google.com/") or name in attached, source


def test_linked_files_exist(path, notebook):
    for target in re.findall(r"(?<!!)\[[^\]]+\]\(([^)\s#]+)", markdown(notebook)):
        assert target.startswith("https://") or (path.parent / target).exists(), target


def test_readme_links_and_pictures_exist():
    text = (release.ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s#]+)\)", text) + re.findall(r"(?:src|href)=\"([^\"#]+)", text)
    assert any(target.startswith("images/") for target in targets)
    for target in targets:
        assert target.startswith("https://") or (release.ROOT / target).exists(), target
    assert not re.search(r"!\[\]\(|<img(?![^>]*alt=)", text), "a picture without alt text"


def test_readme_has_the_badge_of_each_lesson():
    text = (release.ROOT / "README.md").read_text(encoding="utf-8")
    lessons = sorted((release.ROOT / "notebooks").glob("[0-9]*.ipynb"))
    badges = re.findall(r"https://colab[\w.]+/github/[^)\s]+", text)
    assert badges == [colab_address(path) for path in lessons]
    assert f"git clone https://github.com/{release.read_address()} " in text


def test_pictures_are_those_that_the_notebooks_show():
    committed = {path.name: path.read_bytes() for path in (release.ROOT / "images").iterdir()}
    assert committed == notebooks.find_pictures(), "run `make pictures`"


@pytest.mark.parametrize("name", ["rnn_forward", "rnn_backward"])
def test_all_lessons_share_one_backpropagation_through_time(name, all_notebooks):
    sources = {}
    for stem, notebook in all_notebooks.items():
        for cell in code_cells(notebook):
            if f"def {name}(" in cell.source:
                for node in ast.parse(cell.source).body:
                    if isinstance(node, ast.FunctionDef) and node.name == name:
                        source = ast.get_source_segment(cell.source, node)
                        sources.setdefault(source, []).append(stem)
    assert len(sources) == 1, list(sources.values())
    assert {"01_training_rnns", "03_vanishing_and_exploding_gradients"} <= set(*sources.values())


def test_the_diffs_of_the_recipes_are_those_of_the_module(all_notebooks):
    text = markdown(all_notebooks["05_beating_the_book"])
    blocks = re.findall(r"^```diff\n# (\S+) -> (\S+)\n(.*?)^```", text, re.M | re.S)
    assert {new for _, new, _ in blocks} == RECIPES.keys() - {"book-3"}
    for old, new, block in blocks:
        for sign, name, other in (("-", old, new), ("+", new, old)):
            written = dict(re.findall(rf"^{re.escape(sign)} (\w+)=(.+)$", block, re.M))
            assert {field: ast.literal_eval(value) for field, value in written.items()} == {
                field.name: getattr(RECIPES[name], field.name)
                for field in dataclasses.fields(Recipe)
                if getattr(RECIPES[name], field.name) != getattr(RECIPES[other], field.name)
            }, f"{old} -> {new}"


def test_normalize_undoes_what_jupyter_does_and_nothing_else(notebook):
    before = nbformat.writes(notebook)
    notebook.metadata.language_info = {"name": "python", "version": "3.13.1"}
    notebook.metadata.widgets = {"application/vnd.jupyter.widget-state+json": {}}
    for cell in notebook.cells:
        cell.id = f"random-{cell.id}"
        cell.metadata.update(editable=True, execution={"iopub.execute_input": "2026"})
    for cell in code_cells(notebook):
        cell.execution_count += 70
        view = nbformat.v4.new_output("display_data", {notebooks.WIDGET_VIEW: {}})
        cell.outputs = [view, *(part for output in cell.outputs for part in halves(output))]
    notebooks.normalize(notebook)
    assert nbformat.writes(notebook) == before


def halves(output):
    """What is printed reaches Jupyter in pieces."""
    if output.output_type == "execute_result":
        output.execution_count = 70
    if output.output_type != "stream":
        return [output]
    middle = len(output.text) // 2
    texts = output.text[:middle], output.text[middle:]
    return [nbformat.v4.new_output("stream", name=output.name, text=text) for text in texts]


def test_a_cell_that_was_never_run_is_not_passed_off_as_run():
    cell = nbformat.v4.new_code_cell("1")
    notebooks.normalize(nbformat.v4.new_notebook(cells=[cell]))
    assert cell.execution_count is None


def test_a_notebook_converts_to_a_python_script(notebook):
    _, resources = nbconvert.ScriptExporter().from_notebook_node(notebook)
    assert resources["output_extension"] == ".py"
