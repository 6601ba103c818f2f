"""The ladder: a run that is killed goes on where it was; the committed results are whole."""

import csv
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chapter14.data import RESULTS_FOLDER, load_mnist, load_results

ROOT = Path(__file__).parents[1]
LADDER = ROOT / "benchmarks" / "ladder.py"
sys.path.insert(0, str(LADDER.parent))
import ladder  # noqa: E402

REACHED = {"fast": 0.982, "99": 0.990, "record": 0.995}


def start(folder, seed):
    command = [sys.executable, LADDER, "--rung", "fast", "--seeds", str(seed), "--json"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True)


def test_a_killed_run_goes_on_at_its_last_finished_epoch(tmp_path):
    seed = 6  # not among the committed ones
    killed = start(tmp_path, seed)
    for line in killed.stderr:
        if "epoch 2 of 3" in line:
            break
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    (tmp_path / "models/ladder/.fast-6.unfinished.npz").write_bytes(
        b"half a file"
    )  # killed in a save

    output, progress = start(tmp_path, seed).communicate(timeout=300)
    assert re.findall(r"epoch (\d) of 3", progress) == ["3"]
    result = json.loads(output)
    assert tuple(result) == ladder.COLUMNS
    assert (result["rung"], result["seed"], result["epochs"]) == ("fast", 6, 3)
    assert result["test"] == pytest.approx(load_results("fast")["test"].mean(), abs=0.004)

    output, progress = start(tmp_path, seed).communicate(timeout=300)  # nothing left to do
    assert "epoch" not in progress
    assert json.loads(output) == result


def test_a_state_of_another_recipe_is_refused(tmp_path):
    recipe = ladder.RUNGS["fast"]
    model = ladder.build_classifier(recipe)
    model.optimizer.build(model.trainable_variables)
    path = tmp_path / "fast-1.npz"
    ladder.save_state(path, model, 2, 8.5, recipe)
    assert ladder.load_state(path, model, recipe) == (2, 8.5)
    with pytest.raises(SystemExit, match="of another recipe than this rung's: delete it"):
        ladder.load_state(path, model, ladder.RUNGS["99"])


@pytest.mark.parametrize("rung", ladder.RUNGS)
def test_committed_results(rung):
    with (RESULTS_FOLDER / f"{rung}.csv").open() as file:
        assert tuple(next(csv.reader(file))) == ladder.COLUMNS
    runs = load_results(rung)
    assert set(runs["rung"].astype(str)) == {rung}
    assert len(set(runs["seed"])) == len(runs["seed"]) >= 5
    assert set(runs["epochs"]) == {ladder.RUNGS[rung].epochs}
    assert runs["test"].mean() >= REACHED.get(rung, 0.9)


def test_every_recipe_is_the_same_network():
    for recipe in ladder.RUNGS.values():
        assert ladder.build_classifier(recipe).count_params() == 28_360


def test_the_weights_of_the_record_are_those_of_its_first_seed():
    model = ladder.build_classifier(ladder.RUNGS["record"])
    with np.load(RESULTS_FOLDER / "record.npz", allow_pickle=False) as arrays:
        model.set_weights([arrays[name] for name in arrays.files])
    *_, (X_test, y_test) = load_mnist()
    accuracy = (np.asarray(model(X_test)).argmax(axis=1) == y_test).mean()
    assert accuracy == pytest.approx(load_results("record")["test"][0], abs=0.0003)


def test_results_that_do_not_exist():
    with pytest.raises(ValueError, match=r"rung: expected one of 99, .*; got 'fastest'"):
        load_results("fastest")


def test_the_readme_shows_the_committed_results():
    text = (ROOT / "README.md").read_text()
    for rung in ("book-10", "book-100", "fast", "99", "record"):
        runs = load_results(rung)
        test = 100 * runs["test"]
        figures = f"| {runs['epochs'][0]} | {np.median(runs['seconds']):.0f} s | {len(test)} |"
        assert f"{figures} {test.mean():.2f} ± {test.std(ddof=1):.2f} % |" in text, rung
