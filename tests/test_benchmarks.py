"""The speed benchmark: equal work, honest arithmetic."""

import json
import statistics
import sys
from pathlib import Path

import numpy as np
import pytest

from chapter14.data import RESULTS_FOLDER

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import competitors  # noqa: E402
import cost_growth  # noqa: E402
import epoch_time  # noqa: E402


def test_an_epoch_is_255_gflop():
    per_step = 2 * 28 * 150 + 3 * 150 * 150  # multiply-adds of one image at one timestep
    assert epoch_time.epoch_gflop(60_000) == pytest.approx(60_000 * 28 * per_step * 2 / 1e9)
    assert round(epoch_time.epoch_gflop(60_000)) == 255


def test_losses_that_differ_are_refused():
    assert epoch_time.largest_difference({"a": [2.0, 1.0], "b": [2.0, 1.00005]}) <= 1e-4
    for other in (1.0002, np.nan):
        with pytest.raises(ValueError, match=r"losses: expected to agree to 0\.0001, got"):
            epoch_time.largest_difference({"a": [2.0, 1.0], "b": [2.0, other]})


@pytest.mark.parametrize("lanes", [1, 2])
def test_bptt_by_hand_is_the_gradient_of_keras(lanes):
    import keras
    import tensorflow as tf
    from bptt_layer import BPTT

    rng = np.random.default_rng(14)
    X = tf.constant(rng.random((6, 5, 28), dtype=np.float32))
    kernel, recurrent_kernel, *_ = competitors.initial_weights(units=8)
    weights = [kernel, recurrent_kernel, rng.normal(size=8).astype(np.float32)]
    direction = tf.constant(rng.normal(size=(6, 8)), tf.float32)
    answers = []
    for layer in (keras.layers.SimpleRNN(8), BPTT(8, lanes)):
        layer.build(X.shape)
        layer.set_weights(weights)
        with tf.GradientTape() as tape:
            tape.watch(X)
            states = layer(X)
            cost = tf.reduce_sum(states * direction)
        variables = [variable.value for variable in layer.trainable_variables]
        answers.append([states, *tape.gradient(cost, [X, *variables])])
    for reference, ours in zip(*answers, strict=True):
        assert np.abs(ours - reference).max() <= 1e-5 * np.abs(reference).max()


def test_the_benchmark_runs_and_the_competitors_agree():
    names = ["keras", "bptt_time_major"]
    result = epoch_time.measure(names, images=3_000, rounds=1)
    assert [row["name"] for row in result["rows"]] == names
    assert result["largest_difference_of_losses"] <= 1e-4
    assert all(row["seconds"] > 0 for row in result["rows"])
    assert "Keras as written" in epoch_time.table(result)


def test_an_error_in_a_competitor_is_raised_here():
    worker = competitors.Worker(competitors.Competitor("wrong", "nothing"))
    with pytest.raises(RuntimeError, match="wrong: KeyError: 'nothing'"):
        worker.call("build")
    worker.close()


def test_committed_epoch_times():
    result = json.loads((RESULTS_FOLDER / "epoch_time.json").read_text())
    assert [row["name"] for row in result["rows"]] == list(competitors.COMPETITORS)
    assert (result["images"], result["batch_size"], round(result["gflop"])) == (60_000, 150, 255)
    assert result["largest_difference_of_losses"] <= 1e-4
    assert all(result["machine"]["versions"].values())
    reference = result["rows"][0]["seconds"]
    for row in result["rows"]:
        assert len(row["rounds"]) >= 5
        assert row["seconds"] == statistics.median(row["rounds"])
        assert row["ratio_to_keras"] == pytest.approx(row["seconds"] / reference)
        share = result["gflop"] / row["seconds"] / result["sgemm_gflops"]["1024"]
        assert row["share_of_sgemm_1024"] == pytest.approx(share)


def test_a_point_of_the_growth_of_cost_is_measured():
    sizes = {"batch_size": [30, 60]}
    result = cost_growth.measure({"whole_epoch": sizes})
    assert [point["size"] for point in result["points"]] == sizes["batch_size"]
    assert all(point["milliseconds"] > 0 for point in result["points"])
    assert "whole_epoch batch_size" in cost_growth.table(result)


def test_committed_growth_of_cost():
    result = json.loads((RESULTS_FOLDER / "cost_growth.json").read_text())
    assert all(result["machine"]["versions"].values())
    expected = {
        (name, axis, size)
        for name, sizes_of in cost_growth.NAMES.items()
        for axis, sizes in sizes_of.items()
        for size in sizes
    }
    assert {(p["name"], p["axis"], p["size"]) for p in result["points"]} == expected
    for row in result["slopes"]:
        points = [
            p for p in result["points"] if (p["name"], p["axis"]) == (row["name"], row["axis"])
        ]
        sizes, times = zip(*((p["size"], p["milliseconds"]) for p in points), strict=True)
        assert row["slope"] == pytest.approx(cost_growth.slope(sizes, times))
