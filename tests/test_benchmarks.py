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
import beating_the_book
import epoch_time
import implementations
import run_lesson
import run_recipe
import vanishing_gradients

from chapter14.notebook import quiet_import

with quiet_import():
    import keras
    import tensorflow as tf


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
    assert line.keys() == load_results("tanh-schedule").keys()


def test_the_record_is_timed_by_its_first_epochs():
    epochs = [recipe.epochs for recipe in run_recipe.TIMED.values()]
    assert epochs == [3, 10]
    for recipe in run_recipe.TIMED.values():
        assert replace(recipe, epochs=100) == RECIPES["record"]


def test_losses_that_differ_are_refused():
    assert epoch_time.largest_difference({"a": [2.0, 1.0], "b": [2.0, 1.00005]}) <= 1e-4
    for other in (1.0002, np.nan):
        with pytest.raises(ValueError, match="losses"):
            epoch_time.largest_difference({"a": [2.0, 1.0], "b": [2.0, other]})


def test_an_epoch_is_measured_and_the_implementations_agree():
    result = epoch_time.measure(["keras", "unrolled"], images=3_000, rounds=1)
    assert [row["name"] for row in result["rows"]] == ["keras", "unrolled"]
    assert set(result["threads"].values()) == {implementations.THREADS}
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


TINY = {
    "ablation": "no-warmup",
    "rows": "half-on-last-row",
    "pixels": "pixels",
    "cnn": "cnn-0.002",
    "table": "lesson",
    "exercises": "masked-60",
    "next_row": "memoryless",
    "blank_rows": "identity-7-at-0.001",
    "clipping": "clipped-0.1",
    "cells": "gru-0.012",
    "gru_rates": "peak-0.004",
    "gru": "chosen",
    "batch_scaling": "240-at-0.001",
}


@pytest.mark.parametrize("results", run_lesson.MEASUREMENTS)
def test_a_lesson_s_measurement_is_a_line_and_is_not_repeated(results, tmp_path, monkeypatch):
    def main(*seeds):
        arguments = ["--results", results, "--recipe", TINY[results], "--seeds", *seeds]
        monkeypatch.setattr(sys, "argv", ["run_lesson.py", *arguments])
        run_lesson.main()
        lines = (tmp_path / f"{results}.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    digits = [(X[:500], y[:500]) for X, y in load_mnist()]
    test = digits[2] if results == "table" else None  # which alone may read it
    monkeypatch.setattr(run_lesson, "load_mnist", lambda: [*digits[:2], test])
    monkeypatch.setattr(run_lesson, "RESULTS_FOLDER", tmp_path)
    first = main("6")
    assert [(line["recipe"], line["seed"]) for line in first] == [(TINY[results], 6)]
    monkeypatch.setattr(run_lesson, "run", lambda results, name, seed: {"seconds": seed})
    assert main("6", "7") == [*first, {"seconds": 7}]
    assert list(first[0]) == list(load_results(results))


def test_the_norms_are_those_of_the_gradients_before_clipping():
    X, y = (array[:500] for array in load_mnist()[0])
    model = run_lesson.classifier(run_lesson.rnn())
    weights = model.get_weights()
    norms = run_lesson.fit(model, X, y, batch_size=500, epochs=1, warmup=0)
    model.set_weights(weights)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, model(X)))
    norm = tf.linalg.global_norm(tape.gradient(loss, model.trainable_variables))
    assert norms == pytest.approx(np.array([[norm]]), rel=1e-4)
    assert norm > 1


def test_a_probe_reads_what_is_linear_in_the_states():
    X, y = load_mnist()[1]
    outputs = np.eye(10)[y] @ np.random.default_rng(1).normal(size=(10, 20))
    assert run_lesson.probe(outputs[:400], y[:400], outputs[400:], y[400:]) == 1
    assert run_lesson.probe(X[:400, 0], y[:400], X[400:, 0], y[400:]) < 0.2  # an empty row


def test_multiply_adds_are_what_tensorflow_counts():
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder.float_operation() | {"output": "none"}
    for layers in ([run_lesson.rnn()], run_lesson.cnn()):
        model = run_lesson.classifier(*layers)
        graph = tf.function(model).get_concrete_function(tf.TensorSpec((1, 28, 28))).graph
        counted = profiler.profile(graph, options=options).total_float_ops
        assert 2 * run_lesson.multiply_adds(model) == pytest.approx(counted, rel=0.06)


def test_shifted_digits_get_paper_at_the_edge():
    X = load_mnist()[1][0][:5]
    assert np.array_equal(run_lesson.shifted(X, 0, 0), X)
    moved = run_lesson.shifted(X, 2, -3)
    assert np.array_equal(moved[:, 2:, :-3], X[:, :-2, 3:])
    assert not moved[:, :2].any()
    assert not moved[:, :, -3:].any()


def test_the_orders_hold_every_row_once():
    orders = ["ORDER_1", "ORDER_2", "EVEN_ODD", "BLOCKS"]
    for order in orders:
        assert sorted(getattr(run_lesson, order)) == list(range(28))
        assert list(getattr(run_lesson, order)) != list(range(28))
    X = load_mnist()[1][0]
    lengths = 28 - (run_lesson.cut(X)[:, :, 0] == -1).sum(axis=1)
    assert set(lengths) == set(range(14, 29))
    assert np.array_equal((run_lesson.cut(X, 60)[:, :, 0] == -1).sum(axis=1), 60 - lengths)


@pytest.mark.parametrize("results", run_lesson.MEASUREMENTS)
def test_committed_measurements_of_the_lesson(results):
    digits = len(load_mnist()[1][1])
    columns = load_results(results)
    assert set(columns["recipe"]) == set(run_lesson.MEASUREMENTS[results])
    for name in set(columns["recipe"]):
        seeds = columns["seed"][columns["recipe"] == name]
        assert sorted(seeds) == list(range(1, len(seeds) + 1))
    assert all("cores" in machine for machine in columns["machine"])
    for number, wrong in enumerate(columns.get("wrong", [])):
        assert columns["validation"][number] == pytest.approx(1 - len(wrong) / digits)
        assert set(wrong) <= set(range(digits))
    for name in {"accuracy", "probe", "confidence", "norm_above_1"} & set(columns):
        values = np.hstack(list(columns[name]))
        assert values.min() >= 0
        assert values.max() <= 1


def test_the_lesson_s_network_is_the_same_in_each_file():
    ablation, rows, cnn = (load_results(name) for name in ("ablation", "rows", "cnn"))
    for seed in rows["seed"][rows["recipe"] == "last-row"]:
        first = ablation["wrong"][(ablation["recipe"] == "lesson") & (ablation["seed"] == seed)][0]
        third = cnn["wrong"][(cnn["recipe"] == "rnn-0.002") & (cnn["seed"] == seed)][0]
        by_row = rows["accuracy"][(rows["recipe"] == "last-row") & (rows["seed"] == seed)][0]
        assert first == third
        assert by_row[27] == pytest.approx(1 - len(first) / len(load_mnist()[1][1]))


def test_blank_rows_are_below_the_digits():
    X = load_mnist()[1][0][:5]
    longer = vanishing_gradients.with_blank_rows(X, 3)
    assert np.array_equal(longer[:, :28], X)
    assert longer.shape == (5, 31, 28)
    assert not longer[:, 28:].any()


def test_blank_rows_are_repeated_at_the_rate_that_was_best_on_the_validation_digits():
    columns = load_results("blank_rows")
    first = columns["seed"] == 1
    few = np.isin(columns["blank_rows"], [0, 14])
    for name in vanishing_gradients.INITIALIZATIONS:
        own = columns["initialization"] == name
        rates = np.unique(columns["learning_rate"][own & first])
        means = [
            columns["validation"][own & first & few & (columns["learning_rate"] == rate)].mean()
            for rate in rates
        ]
        assert set(columns["learning_rate"][own & ~first]) == {rates[np.argmax(means)]}


def test_a_seed_s_networks_start_alike_and_other_seeds_differently():
    def weights(name, seed):
        keras.utils.set_random_seed(seed)
        layer = vanishing_gradients.INITIALIZATIONS[name]()
        layer.build((None, 28, 28))
        return layer.get_weights()[1]

    for name, scale in [("orthogonal-0.5", 0.5), ("orthogonal-1.0", 1), ("orthogonal-1.5", 1.5)]:
        kernel = weights(name, seed=1)
        assert np.allclose(kernel @ kernel.T, scale**2 * np.eye(150), atol=1e-5)
        assert np.array_equal(kernel, weights(name, seed=1))
        assert not np.allclose(kernel, weights(name, seed=2))
    assert np.array_equal(weights("identity", seed=1), np.eye(150))


def test_a_clipped_descent_takes_shorter_steps_from_the_same_start():
    digits = [(X[:500], y[:500]) for X, y in load_mnist()[:2]]

    def losses(limit):
        keras.utils.set_random_seed(1)
        return vanishing_gradients.descent(limit, 0.3, *digits)["losses"]

    clipped, free = losses(1.0), losses(None)
    assert clipped[0] == free[0]
    assert len(clipped) == 80
    assert clipped[1] < free[1]


def test_each_cell_has_as_many_units_as_fit():
    def parameters(layer):
        return beating_the_book.classifier(layer).count_params()

    assert parameters(beating_the_book.CELLS["relu"]()) == 28_360
    for name in ("lstm", "gru"):
        layer = beating_the_book.CELLS[name]()
        assert parameters(layer) <= 28_360 < parameters(type(layer)(layer.units + 1))


def test_batches_of_every_size_are_measured_until_the_goal():
    columns = load_results("batch_scaling")
    for number, accuracies in enumerate(columns["accuracies"]):
        digits = columns["digits_per_look"][number] * len(accuracies)
        assert columns["steps"][number] == digits / columns["batch_size"][number]
        assert columns["epochs"][number] == pytest.approx(digits / 55_000, rel=1e-4)
        assert columns["reached"][number] == (accuracies[-1] >= 0.93)
        assert max(accuracies[:-1], default=0) < 0.93
        assert columns["reached"][number] or columns["epochs"][number] > 29


def test_the_gru_has_the_learning_rate_that_was_best_on_the_validation_digits():
    rates, chosen = load_results("gru_rates"), load_results("gru")
    best = rates["learning_rate"][np.argmax(rates["validation"])]
    assert set(chosen["learning_rate"]) == {best}
    assert "test" not in rates


@pytest.mark.parametrize("name", run_recipe.VARIANTS)
def test_committed_variants(name):
    runs = load_results(name)
    assert set(runs["recipe"]) == {name}
    assert set(runs["epochs"]) == {run_recipe.VARIANTS[name].epochs}
    assert sorted(runs["seed"]) == list(range(1, len(runs["seed"]) + 1))
    assert (runs["validation"] > 0.95).all()
    assert all("cores" in machine for machine in runs["machine"])
