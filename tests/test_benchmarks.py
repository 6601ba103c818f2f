"""The benchmarks: equal work, correct arithmetic, and results that are what was measured."""

import json
import statistics
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chapter14.mnist import RESULTS_FOLDER, load_mnist, load_results
from chapter14.recipes import RECIPES, build

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import cost_growth
import epoch_time
import implementations
import run_recipe


def test_a_recipe_becomes_a_line_and_a_file_of_weights(tmp_path, monkeypatch, capsys):
    digits = [(X[:500], y[:500]) for X, y in load_mnist()]
    recipe = replace(RECIPES["book-3"], epochs=1)
    monkeypatch.setattr(run_recipe, "load_mnist", lambda: digits)
    monkeypatch.setattr(run_recipe, "MODELS_FOLDER", tmp_path / "models")
    monkeypatch.setitem(RECIPES, "book-3", recipe)
    line = run_recipe.run("book-3", 6, tmp_path / "weights.npz")
    assert "book-3, seed 6: epoch 1 of 1" in capsys.readouterr().err
    assert (tmp_path / "models" / "book-3-6.npz").is_file()
    assert (line["recipe"], line["seed"], line["epochs"]) == ("book-3", 6, 1)

    model = build(recipe)
    weights = np.load(tmp_path / "weights.npz")
    assert weights.files == np.load(RESULTS_FOLDER / "record.npz").files
    model.set_weights(list(weights.values()))
    for column, (X, y) in zip(["validation", "test"], digits[1:], strict=True):
        assert line[column] == pytest.approx((np.argmax(model(X), axis=1) == y).mean(), abs=1e-4)
    assert list(line) == list(load_results("book-3"))


def test_losses_that_differ_are_refused():
    assert epoch_time.largest_difference({"a": [2.0, 1.0], "b": [2.0, 1.00005]}) <= 1e-4
    for other in (1.0002, np.nan):
        with pytest.raises(ValueError, match="losses"):
            epoch_time.largest_difference({"a": [2.0, 1.0], "b": [2.0, other]})


def test_an_epoch_is_measured_and_the_implementations_agree():
    result = epoch_time.measure(["keras", "unrolled"], images=3_000, rounds=1)
    assert [row["name"] for row in result["rows"]] == ["keras", "unrolled"]
    check(result, rounds=1)


def test_committed_epoch_times():
    result = committed("epoch_time.json")
    assert [row["name"] for row in result["rows"]] == list(implementations.IMPLEMENTATIONS)
    check(result, rounds=7)


def check(result, rounds):
    per_step = 2 * 28 * 150 + 3 * 150 * 150  # multiply-adds of one image at one timestep
    assert result["gflop"] == pytest.approx(result["images"] * 28 * per_step * 2 / 1e9)
    assert result["largest_difference_of_losses"] <= 1e-4
    for row in result["rows"]:
        assert len(row["rounds"]) == rounds
        assert 0 < row["fastest"] <= row["seconds"] == statistics.median(row["rounds"])
        assert row["ratio_to_keras"] == pytest.approx(row["seconds"] / result["rows"][0]["seconds"])
        for size, rate in result["sgemm_gflops"].items():
            share = result["gflop"] / row["seconds"] / rate
            assert row[f"share_of_sgemm_{size}"] == pytest.approx(share)


def committed(name):
    return json.loads((RESULTS_FOLDER / name).read_text(encoding="utf-8"))


def test_the_growth_of_cost_has_a_slope_per_axis():
    few = {"unrolled": {"batch_size": [30, 60]}}
    results = [cost_growth.measure(few), committed("cost_growth.json")]
    for result, sizes_of in zip(results, [few, cost_growth.SIZES_OF], strict=True):
        for row in result["slopes"]:
            name, axis = row["name"], row["axis"]
            points = [p for p in result["points"] if (p["name"], p["axis"]) == (name, axis)]
            assert [point["size"] for point in points] == sizes_of[name][axis]
            times = [point["milliseconds"] for point in points]
            assert row["slope"] == pytest.approx(cost_growth.slope(sizes_of[name][axis], times))
