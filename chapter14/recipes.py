"""The recipes of *Beating the book*: how one and the same network is trained, better each time."""

import dataclasses
import math
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from chapter14.augment import augment


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How the network is trained; the defaults are the book's recipe, but Keras' initial weights.

    Example:
        >>> Recipe(epochs=3).learning_rate
        0.001
    """

    epochs: int
    batch_size: int = 150
    activation: str = "tanh"
    recurrent_initializer: str = "orthogonal"
    global_clipnorm: float | None = None
    optimizer: str = "adam"  # or "muon"
    learning_rate: float = 0.001  # with a warm-up: its peak
    warmup: float = 0.0  # fraction of all steps, then a cosine to zero; 0: constant learning rate
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    augment: dict | None = None  # arguments of `chapter14.augment.augment`
    steps_per_execution: int = 1


RECIPES: dict[str, Recipe] = {"book-3": Recipe(epochs=3, steps_per_execution=61)}
RECIPES["book-10"] = replace(RECIPES["book-3"], epochs=10)
RECIPES["book-100"] = replace(RECIPES["book-3"], epochs=100)
RECIPES["relu"] = replace(
    RECIPES["book-3"],
    activation="relu",
    recurrent_initializer="identity",
    global_clipnorm=1.0,
)
RECIPES["schedule"] = replace(RECIPES["relu"], learning_rate=0.003, warmup=0.2)
RECIPES["fast"] = replace(
    RECIPES["schedule"],
    batch_size=250,
    optimizer="muon",
    learning_rate=0.004,
    steps_per_execution=44,
)
RECIPES["longer"] = replace(RECIPES["fast"], epochs=8, warmup=0.05)
AFFINE = {"rotation": 8.0, "shear": 0.1, "zoom": 0.08, "shift": 1.3}
RECIPES["affine"] = replace(RECIPES["longer"], augment=AFFINE)
RECIPES["regularized"] = replace(RECIPES["affine"], weight_decay=0.05, label_smoothing=0.02)
RECIPES["record"] = replace(
    RECIPES["regularized"],
    epochs=100,
    batch_size=150,
    learning_rate=0.003,
    augment=AFFINE | {"elastic": 1.7, "grid": 6},
    steps_per_execution=61,
)


def warmup_cosine(peak: float, warmup: float, steps: int):
    """Return a learning-rate schedule for a training of ``steps`` steps.

    It rises linearly to ``peak`` during the fraction ``warmup`` of them, then falls along a cosine
    to zero.

    Example:
        >>> schedule = warmup_cosine(0.004, warmup=0.2, steps=100)
        >>> [round(float(schedule(step)), 4) for step in (0, 10, 20, 60, 100)]
        [0.0, 0.002, 0.004, 0.002, 0.0]
    """
    import keras

    warmup_steps = round(warmup * steps)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=peak,
        warmup_steps=warmup_steps,
        decay_steps=steps - warmup_steps,
    )


def build(recipe: Recipe, images: int = 55_000):
    """Return the compiled network of a recipe, a ``keras.Sequential`` for one-hot labels.

    The number of images in an epoch sets the length of the learning-rate schedule.

    Example:
        >>> build(RECIPES["fast"]).count_params()
        28360
    """
    import keras

    steps_per_epoch = images // recipe.batch_size
    learning_rate = recipe.learning_rate
    if recipe.warmup:
        learning_rate = warmup_cosine(learning_rate, recipe.warmup, recipe.epochs * steps_per_epoch)
    make_optimizer = {"adam": keras.optimizers.Adam, "muon": recurrent_muon}[recipe.optimizer]
    optimizer = make_optimizer(
        learning_rate,
        weight_decay=recipe.weight_decay or None,
        global_clipnorm=recipe.global_clipnorm,
    )
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.SimpleRNN(
                150,
                activation=recipe.activation,
                recurrent_initializer=recipe.recurrent_initializer,
                unroll=True,
            ),
            keras.layers.Dense(10, activation="softmax", name="dense", dtype="float32"),
        ]
    )
    model.compile(
        optimizer,
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
        # a divisor, so that no execution runs over the end of an epoch
        steps_per_execution=math.gcd(recipe.steps_per_execution, steps_per_epoch),
    )
    return model


def recurrent_muon(learning_rate, weight_decay=None, global_clipnorm=None):
    """Return Keras' Muon with 0.4 of its step for the recurrent kernel, which acts 28 times.

    AdamW updates the biases and the output layer, named ``dense``.

    Example:
        >>> recurrent_muon(0.004, weight_decay=0.05).weight_decay
        0.05
    """
    import keras

    if not hasattr(keras.optimizers, "Muon"):
        raise ImportError(f"Muon needs Keras 3.13 or newer, and this is Keras {keras.__version__}.")

    class RecurrentMuon(keras.optimizers.Muon):
        def update_step(self, gradient, variable, learning_rate):
            factor = 0.4 if "recurrent_kernel" in variable.name else 1.0
            super().update_step(gradient, variable, factor * learning_rate)

    return RecurrentMuon(
        learning_rate,
        weight_decay=weight_decay,
        adam_weight_decay=weight_decay,
        exclude_layers=["dense"],
        global_clipnorm=global_clipnorm,
    )


def train(
    recipe: Recipe, X, y, *, seed: int, validation_data=None, checkpoint=None, callbacks=()
) -> tuple:
    """Train the network of a recipe; return it and the seconds from ``compile`` to the end.

    Args:
        recipe: one of ``RECIPES``, or your own.
        X: images, float32 in [0, 1], shape (n, 28, 28).
        y: labels, integers in 0..9, shape (n,).
        seed: of the initial weights, the order of the images, and their augmentation.
        validation_data: images and labels; with them, Keras prints its lines for each epoch.
        checkpoint: a file that gets the state of the run after each epoch. A run that finds its
            state there goes on after the last finished epoch and ends as if undisturbed.
        callbacks: Keras callbacks.

    Raises:
        ValueError: labels don't match the images, or the checkpoint is of another recipe, seed, or
            number of images.

    Example:
        >>> X, y = np.zeros((300, 28, 28), np.float32), np.zeros(300, int)
        >>> model, seconds = train(Recipe(epochs=1), X, y, seed=1)
        >>> model(X[:5]).shape
        TensorShape([5, 10])
    """
    import keras

    if len(X) != len(y):
        raise ValueError(f"expected as many labels as images, got {len(y)} for {len(X)}")
    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    model = build(recipe, images=len(X))
    finished, seconds_before = 0, 0.0
    if checkpoint is not None:
        run = f"{recipe}, seed {seed}, {len(X)} images"
        finished, seconds_before = _load_state(Path(checkpoint), model, run)
        if finished == recipe.epochs:
            return model, seconds_before

        def save(epoch, logs):
            seconds = seconds_before + time.perf_counter() - started
            _save_state(Path(checkpoint), model, run=run, epochs=epoch + 1, seconds=seconds)

        callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=save), *callbacks]
    if validation_data is not None:
        X_valid, y_valid = validation_data
        validation_data = X_valid, _one_hot(y_valid)
    model.fit(
        _batches(recipe, X, y, seed, finished),
        initial_epoch=finished,
        epochs=recipe.epochs,
        steps_per_epoch=len(X) // recipe.batch_size,
        shuffle=False,  # the pipeline does it
        validation_data=validation_data,
        validation_batch_size=1000,
        verbose=2 if validation_data else 0,
        callbacks=list(callbacks),
    )
    return model, seconds_before + time.perf_counter() - started


def _one_hot(y) -> np.ndarray:
    return np.eye(10, dtype=np.float32)[y]


def _batches(recipe: Recipe, X, y, seed: int, first_epoch: int):
    """Return a ``tf.data.Dataset`` of the batches from ``first_epoch`` on.

    Each depends only on the seed and the step, so an interrupted run goes on as if undisturbed.
    """
    import tensorflow as tf

    steps = len(X) // recipe.batch_size
    images, targets = tf.constant(X), tf.constant(_one_hot(y))

    def shuffle(epoch):
        order = tf.random.experimental.stateless_shuffle(tf.range(len(X)), (seed, epoch))
        order = tf.reshape(order[: steps * recipe.batch_size], (steps, recipe.batch_size))
        return epoch * steps + tf.range(steps), order

    def load(step, indices):
        batch = tf.gather(images, indices)
        if recipe.augment:
            batch = augment(batch, (seed, step), **recipe.augment)
        return batch, tf.gather(targets, indices)

    options = tf.data.Options()
    options.autotune.enabled = False  # its thread would hold up the end of `fit` for seconds
    return (
        tf.data.Dataset.range(first_epoch, recipe.epochs, output_type=tf.int32)
        .map(shuffle)
        .unbatch()
        .map(load, num_parallel_calls=2)  # augments while the network trains
        .prefetch(4)
        .with_options(options)
    )


def _save_state(path: Path, model, **progress) -> None:
    """Save a run's variables and progress; an interruption leaves the old file or the new one."""
    variables = [*model.weights, *model.optimizer.variables]
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}.unfinished.npz")
    np.savez(unfinished, *[np.asarray(variable) for variable in variables], **progress)
    unfinished.replace(path)


def _load_state(path: Path, model, run: str) -> tuple[int, float]:
    """Return a run's finished epochs and their seconds; give the model its saved variables."""
    if not path.exists():
        return 0, 0.0
    model.optimizer.build(model.trainable_variables)
    with np.load(path, allow_pickle=False) as state:
        if str(state["run"]) != run:
            raise ValueError(f"checkpoint: {path} is of another run than this one: delete it")
        for i, variable in enumerate([*model.weights, *model.optimizer.variables]):
            variable.assign(state[f"arr_{i}"])
        return int(state["epochs"]), float(state["seconds"])
