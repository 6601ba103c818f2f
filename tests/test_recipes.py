"""Recipes: each setting acts, a killed run goes on where it was, the results are whole."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from chapter14.augment import augment
from chapter14.mnist import RESULTS_FOLDER, load_mnist, load_results
from chapter14.recipes import RECIPES, Recipe, build, train

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="module")
def digits():
    (X, y), _, _ = load_mnist()
    return X[:2000], y[:2000]


@pytest.mark.parametrize("name", RECIPES)
def test_a_short_epoch_of_every_recipe_learns(name, digits, capsys):
    X, y = digits
    recipe = replace(RECIPES[name], epochs=1)
    shown = name == "book-3"
    model, seconds = train(recipe, X, y, seed=1, validation_data=digits if shown else None)
    assert model.count_params() == 28_360
    assert int(model.optimizer.iterations) == 2000 // recipe.batch_size
    assert (np.argmax(model(X), axis=1) == y).mean() > 0.25
    assert seconds > 0
    assert ("val_accuracy" in capsys.readouterr().out) == shown


def test_labels_that_do_not_match_the_images_are_refused(digits):
    X, y = digits
    with pytest.raises(ValueError, match="as many labels as images"):
        train(Recipe(epochs=1), X[:900], y, seed=1)


def apply(model, gradients):
    """Take a step and return the moves of the weights."""
    before = model.get_weights()
    model.optimizer.apply(gradients, model.trainable_variables)
    return [new - old for new, old in zip(model.get_weights(), before, strict=True)]


def random_gradients(model, seed, norm):
    rng = np.random.default_rng(seed)
    gradients = [rng.normal(size=weights.shape) for weights in model.get_weights()]
    length = np.linalg.norm([np.linalg.norm(gradient) for gradient in gradients])
    return [(norm / length * gradient).astype(np.float32) for gradient in gradients]


def test_the_learning_rate_warms_up_and_falls_along_a_cosine():
    def learning_rates(name, images, steps):
        optimizer = build(RECIPES[name], images).optimizer
        rates = []
        for step in steps:
            optimizer.iterations.assign(step)
            rates.append(float(optimizer.learning_rate))
        return rates

    fast = learning_rates("fast", 55_000, [0, 66, 132, 396, 660])  # 3 x 220 steps
    assert fast == pytest.approx([0, 0.002, 0.004, 0.002, 0], abs=1e-8)
    assert learning_rates("fast", 5_000, [6, 12, 60]) == pytest.approx([0.002, 0.004, 0], abs=1e-8)
    assert learning_rates("relu", 55_000, [0, 500]) == pytest.approx([0.001, 0.001])


@pytest.mark.parametrize("name", RECIPES)
def test_clocks_are_equal_keras_returns_to_python_as_rarely_in_every_recipe(name):
    recipe = RECIPES[name]
    steps = 55_000 // recipe.batch_size
    assert steps % recipe.steps_per_execution == 0
    assert steps / recipe.steps_per_execution <= 6


@pytest.mark.parametrize("decay", [0.05, 0.0])
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_weight_decay_shrinks_a_weight_without_a_gradient(optimizer, decay):
    recipe = replace(RECIPES["fast"], optimizer=optimizer, warmup=0.0, learning_rate=0.2)
    model = build(replace(recipe, weight_decay=decay))
    model.set_weights([np.full_like(weights, 3.0) for weights in model.get_weights()])
    for move in apply(model, [np.zeros_like(weights) for weights in model.get_weights()]):
        np.testing.assert_allclose(move, -3.0 * 0.2 * decay, atol=1e-6)


def test_label_smoothing_asks_for_98_percent_and_a_share_of_the_rest_for_every_digit():
    target = np.eye(10, dtype=np.float32)[[3]]
    prediction = 0.001 + 0.99 * target
    expected = {"affine": -np.log(0.991)}
    expected["regularized"] = -0.982 * np.log(0.991) - 9 * 0.002 * np.log(0.001)
    for name, loss in expected.items():
        actual = build(RECIPES[name]).compute_loss(y=target, y_pred=prediction)
        assert float(actual) == pytest.approx(loss, rel=1e-3)


@pytest.mark.parametrize(("name", "clipped"), [("relu", True), ("fast", True), ("book-3", False)])
def test_a_gradient_is_clipped_to_a_norm_of_one(name, clipped):
    def second_move(norm_before):  # optimizers remember the gradient before
        model = build(replace(RECIPES[name], warmup=0.0))
        apply(model, random_gradients(model, seed=0, norm=norm_before))
        return apply(model, random_gradients(model, seed=1, norm=0.9))[0]

    after_one, after_thousand = second_move(1), second_move(1000)
    assert np.allclose(after_one, after_thousand, atol=1e-3 * np.abs(after_one).max()) == clipped


def test_muon_moves_the_recurrent_kernel_by_two_fifths_of_its_step():
    ours = build(replace(RECIPES["fast"], warmup=0.0))
    plain = build(RECIPES["fast"])
    plain.compile(keras.optimizers.Muon(0.004, exclude_layers=["dense"]))
    gradients = random_gradients(ours, seed=0, norm=0.9)
    lengths = [list(map(np.linalg.norm, apply(model, gradients))) for model in (ours, plain)]
    np.testing.assert_allclose(np.divide(*lengths), [1, 0.4, 1, 1, 1], rtol=0.01)


def test_only_relu_with_the_identity_adds_up_what_comes_in():
    for name, low, high in [("relu", 28, 28), ("book-3", -1, 1)]:
        layer = build(RECIPES[name]).layers[0]
        kernel, recurrent_kernel, bias = layer.get_weights()
        np.testing.assert_allclose(recurrent_kernel @ recurrent_kernel.T, np.eye(150), atol=1e-5)
        assert np.array_equal(recurrent_kernel, np.eye(150)) == (name == "relu")
        layer.set_weights([kernel, recurrent_kernel, bias + 1])
        states = np.asarray(layer(np.zeros((1, 28, 28))))
        assert low <= states.min() <= states.max() <= high


@pytest.fixture
def batches(monkeypatch, digits):
    """A function that returns the images and targets that reach ``fit``, batch by batch."""

    def batches(recipe, seed):
        seen = []
        monkeypatch.setattr(keras.Sequential, "fit", lambda _, data, **kwargs: seen.extend(data))
        train(recipe, *digits, seed=seed)
        return [(images.numpy(), targets.numpy()) for images, targets in seen]

    return batches


def test_every_epoch_has_every_image_once_with_its_label_in_another_order(batches, digits):
    X, y = digits
    labels = {bytes(image): label for image, label in zip(X, y, strict=True)}
    epochs = []
    for seed in (1, 2):
        run = batches(Recipe(epochs=2, batch_size=100), seed)
        assert [len(images) for images, _ in run] == [100] * 40
        images, targets = (np.concatenate(arrays) for arrays in zip(*run, strict=True))
        order = [bytes(image) for image in images]
        np.testing.assert_array_equal(targets, np.eye(10)[[labels[image] for image in order]])
        epochs += [order[:2000], order[2000:]]
    assert all(sorted(epoch) == sorted(map(bytes, X)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 4


@pytest.mark.parametrize("name", ["affine", "record"])
def test_every_batch_that_reaches_the_model_is_augmented_in_its_own_way(name, batches):
    recipe = replace(RECIPES[name], epochs=2)
    plain = batches(replace(recipe, augment=None), seed=7)
    augmented = batches(recipe, seed=7)
    for step in (0, 1, len(plain) - 1):
        expected = augment(plain[step][0], (7, step), **recipe.augment)
        np.testing.assert_allclose(augmented[step][0], expected, atol=1e-6)
        assert np.abs(augmented[step][0] - plain[step][0]).mean() > 0.02


SHORT = replace(RECIPES["regularized"], epochs=2, batch_size=100)
KILLED_IN_ITS_SECOND_SAVE = f"""
import os, signal, sys
from chapter14.mnist import load_mnist
from chapter14.recipes import *
def interrupted(file, *arrays, savez=np.savez, **progress):
    savez(file, *arrays, **progress)
    if progress["epochs"] == 2:
        os.truncate(file, 1000)
        os.kill(os.getpid(), signal.SIGKILL)
np.savez = interrupted
(X, y), _, _ = load_mnist()
train({SHORT!r}, X[:2000], y[:2000], seed=3, checkpoint=sys.argv[1])
"""


def test_a_killed_run_goes_on_after_its_last_finished_epoch(tmp_path, digits):
    path = tmp_path / "run.npz"
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_ITS_SECOND_SAVE, path], check=False)
    assert killed.returncode == -signal.SIGKILL
    began = []
    note = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: began.append(epoch))
    options = {"seed": 3, "checkpoint": path, "callbacks": [note]}
    resumed, seconds = train(SHORT, *digits, **options)
    undisturbed, _ = train(SHORT, *digits, seed=3)
    for ours, theirs in zip(resumed.get_weights(), undisturbed.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    finished, total = train(SHORT, *digits, **options)
    assert np.array_equal(finished.get_weights()[0], resumed.get_weights()[0])
    assert began == [1]  # the second epoch, once
    assert int(resumed.optimizer.iterations) == 2 * 20
    assert total == pytest.approx(seconds, abs=0.5)
    for recipe, seed, step in [(RECIPES["fast"], 3, 1), (SHORT, 4, 1), (SHORT, 3, 2)]:
        with pytest.raises(ValueError, match="another run"):
            train(recipe, *(array[::step] for array in digits), seed=seed, checkpoint=path)


@pytest.mark.parametrize("name", RECIPES)
def test_committed_results_are_whole(name):
    runs = load_results(name)
    assert set(runs["recipe"]) == {name}
    assert len(set(runs["seed"])) == len(runs["seed"]) == 5
    assert set(runs["epochs"]) == {RECIPES[name].epochs}
    assert ((runs["seconds"] > 5) & (runs["test"] > 0.95) & (runs["validation"] > 0.95)).all()
    assert all("TensorFlow" in versions for versions in runs["versions"])


@pytest.mark.parametrize(
    "name", ["book-10", "book-100", "fast", "regularized", "record", "lesson", "cnn"]
)
def test_the_readme_shows_the_results(name):
    if name in RECIPES:
        test, seconds = (load_results(name)[column] for column in ("test", "seconds"))
        epochs = RECIPES[name].epochs
    else:
        runs = load_results("table")
        test, seconds = (runs[column][runs["recipe"] == name] for column in ("test", "fit_seconds"))
        epochs = 6
    accuracy = test.mean()
    error = np.sqrt(test.var(ddof=1) / len(test) + accuracy * (1 - accuracy) / 10_000)
    row = f"| {epochs} | {np.median(seconds):.0f} s | 5 | {100 * accuracy:.2f} ± {error:.2%} |"
    assert row in README.read_text(encoding="utf-8")


def test_the_weights_of_the_record_are_those_of_its_first_seed():
    model = build(RECIPES["record"])
    model.set_weights(list(np.load(RESULTS_FOLDER / "record.npz").values()))
    _, _, (X_test, y_test) = load_mnist()
    accuracy = (np.argmax(model(X_test), axis=1) == y_test).mean()
    assert accuracy == pytest.approx(load_results("record")["test"][0], abs=0.0003)


def test_a_keras_without_muon_gets_a_sentence(monkeypatch):
    monkeypatch.delattr(keras.optimizers, "Muon")
    with pytest.raises(ImportError, match=r"Muon needs Keras 3\.13 or newer, and this is Keras 3"):
        build(RECIPES["fast"])
