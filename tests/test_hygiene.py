"""What a machine can see of the committed notebooks, of README.md and of the address in them."""

import json
import re
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("[0-9]*.ipynb"))
SETUP_CELL = """\
# On Google Colab this fetches the helper package; anywhere else it only imports.
import importlib.util
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("chapter14") is None:
    source = "git+https://github.com/{address}"
    %pip install -qqq --no-deps --upgrade wigglystuff drawdata anywidget {{source}}
    importlib.invalidate_caches()
    if importlib.util.find_spec("chapter14") is None:
        raise ImportError("no chapter14: check the way to GitHub and PyPI, then run this again")"""

sys.path.insert(0, str(ROOT / "tools"))
import run_notebooks  # noqa: E402
import set_address  # noqa: E402
import take_pictures  # noqa: E402


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_executed_in_order_from_a_fresh_kernel(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_normalised_so_that_a_diff_shows_only_what_changed(path, notebook):
    before = nbformat.writes(notebook)
    run_notebooks.normalise(notebook)
    assert nbformat.writes(notebook) == before
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata
    nbformat.validate(notebook)


def test_small_enough_for_github(path):
    assert path.stat().st_size < 1_000_000


def test_nothing_red(notebook):
    for output in outputs(notebook):
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text


def test_no_script_in_a_stored_output(notebook):
    for output in outputs(notebook):
        data = output.get("data", {})
        assert not any("javascript" in kind for kind in data)
        for kind in ("text/html", "image/svg+xml", "text/markdown"):
            source = "".join(data.get(kind, ""))
            assert not re.search(
                r"<\s*(script|iframe|object|embed|form|link|base|meta)\b|javascript:|<[^>]*\son\w+\s*=",
                source,
                re.I,
            )


def test_only_safe_loading(notebook):
    assert_loads_safely("\n".join(cell.source for cell in code_cells(notebook)))


@pytest.mark.parametrize("folder", ["chapter14", "benchmarks", "notebooks", "tools"])
def test_only_safe_loading_in_the_modules(folder):
    for path in (ROOT / folder).glob("*.py"):
        assert_loads_safely(path.read_text())


def assert_loads_safely(source):
    assert not re.search(
        r"\b(c?pickle|cloudpickle|dill|marshal|shelve|joblib|read_pickle|torch\.load"
        r"|saved_model\.load|load_weights|enable_unsafe_deserialization)\b"
        r"|allow_pickle=True|safe_mode=False|from numpy import .*\bload\b",
        source,
    )
    for call in re.findall(r"\b(?:np|numpy)\.load\(.*", source):
        assert "allow_pickle=False" in call, call
    for call in re.findall(r"load_model\(.*", source):
        assert "safe_mode=True" in call, call


@pytest.mark.parametrize(
    "html",
    ["<b onclick='x()'>1</b>", "<img src=x onerror=x()>", "<script>", "<object>", "<form>"],
)
def test_the_check_of_scripts_finds_them(html):
    script = nbformat.v4.new_output("display_data", data={"text/html": html})
    cell = nbformat.v4.new_code_cell("1", outputs=[script])
    with pytest.raises(AssertionError):
        test_no_script_in_a_stored_output(nbformat.v4.new_notebook(cells=[cell]))


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "np.load(path)",
        "numpy.load(path)",
        "from numpy import load",
        "pandas.read_pickle(path)",
        "torch.load(path)",
        "tf.saved_model.load(path)",
        "model.load_weights(path)",
        "keras.saving.load_model(path)",
        "keras.config.enable_unsafe_deserialization()",
    ],
)
def test_the_check_of_loading_finds_it(source):
    with pytest.raises(AssertionError):
        assert_loads_safely(source)


def test_no_path_of_a_machine(notebook):
    for output in outputs(notebook):
        text = json.dumps([output.get("text", ""), output.get("data", {}).get("text/plain", "")])
        assert not re.search(r"(?<![\w.])/(home|root|work|tmp|Users|content)/|[A-Z]:\\\\", text)


def test_cells_are_short(notebook):
    lengths = [len(cell.source.splitlines()) for cell in code_cells(notebook)]
    assert max(lengths) <= 25


def test_it_checks_some_outputs_and_asserts_others(notebook):
    assert any("nbval-check-output" in cell.metadata.get("tags", []) for cell in notebook.cells)
    assert any(re.search(r"^\s*assert ", cell.source, re.M) for cell in code_cells(notebook))


def test_it_begins_with_title_badge_and_setup(path, notebook):
    address = set_address.read_address()
    first = notebook.cells[0].source
    relative = path.relative_to(ROOT).as_posix()
    assert first.startswith("# ")
    assert f"colab.research.google.com/github/{address}/blob/main/{relative}" in first
    assert code_cells(notebook)[0].source == SETUP_CELL.format(address=address)


def test_its_pictures_are_there_when_it_is_opened_alone(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            sources = re.findall(r"!\[[^\]]*\]\(([^)\s]+)|<img[^>]*src=[\"']([^\"']+)", cell.source)
            for source in filter(None, (a or b for a, b in sources)):
                assert source.startswith(("https://colab.research.google.com/", "attachment:"))
                if source.startswith("attachment:"):
                    assert source.removeprefix("attachment:") in cell.attachments


def test_linked_files_exist(path, notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"(?<!!)\[[^\]]+\]\(([^)\s#]+)", cell.source):
                assert target.startswith("https://") or (path.parent / target).exists(), target


def test_readme_links_and_pictures_exist():
    text = (ROOT / "README.md").read_text()
    targets = re.findall(r"\]\(([^)\s#]+)\)", text) + re.findall(r"(?:src|href)=\"([^\"#]+)", text)
    assert any(target.startswith("images/") for target in targets)
    for target in targets:
        assert target.startswith("https://") or (ROOT / target).exists(), target
    assert not re.search(r"!\[\]\(|<img(?![^>]*alt=)", text), "a picture without alt text"


def test_pictures_are_those_that_the_notebooks_show():
    committed = {path.name: path.read_bytes() for path in (ROOT / "images").iterdir()}
    assert committed == take_pictures.all_pictures(), "run `make pictures`"


def test_the_address_is_the_same_everywhere():
    address = set_address.read_address()
    for path in set_address.files_with_address():
        found = {match[2] for match in set_address.PLACE.finditer(path.read_text())}
        assert found == {address}, f"{path.name}: run `make address REPO={address}`"


def test_make_address_changes_it_everywhere_and_nothing_else(tmp_path):
    originals = {path: path.read_text() for path in set_address.files_with_address()}
    for path, text in originals.items():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text)
    old = set_address.read_address()
    set_address.main(["new-owner/rnn.book"], root=tmp_path)
    assert set_address.read_address(tmp_path) == "new-owner/rnn.book"
    for path, text in originals.items():
        changed = (tmp_path / path.relative_to(ROOT)).read_text()
        assert changed != text
        assert f"/{old}" not in changed
        assert "ageron/handson-ml" not in text or "ageron/handson-ml" in changed
    set_address.main([old], root=tmp_path)
    for path, text in originals.items():
        assert (tmp_path / path.relative_to(ROOT)).read_text() == text


@pytest.mark.parametrize("arguments", [[], ["owner"], ["https://github.com/a/b"], ["a/b", "c/d"]])
def test_make_address_refuses_what_is_no_address(arguments, tmp_path):
    with pytest.raises(SystemExit, match="REPO: expected owner/name, got"):
        set_address.main(arguments, root=tmp_path)


def test_normalise_takes_out_what_differs_between_equal_runs():
    cell = nbformat.v4.new_code_cell(
        "1",
        metadata={"execution": {"iopub.execute_input": "2026"}, "tags": ["picture-x"]},
        outputs=[
            nbformat.v4.new_output("stream", name="stdout", text="a"),
            nbformat.v4.new_output("stream", name="stdout", text="b\n"),
            nbformat.v4.new_output("display_data", data={run_notebooks.WIDGET_VIEW: {}}),
            nbformat.v4.new_output("display_data", data={"image/png": "AAAA"}),
        ],
    )
    language = {"name": "python", "version": "3.11.7"}
    notebook = nbformat.v4.new_notebook(
        cells=[cell], metadata={"widgets": {}, "language_info": language}
    )
    run_notebooks.normalise(notebook)
    assert notebook.metadata == {
        "kernelspec": run_notebooks.KERNEL,
        "language_info": {"name": "python"},
    }
    assert (cell.id, cell.metadata) == ("cell-00", {"tags": ["picture-x"]})
    assert [output.get("text", output.get("data")) for output in cell.outputs] == [
        "ab\n",
        {"image/png": "AAAA"},
    ]
