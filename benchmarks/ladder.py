"""Train one rung of the ladder of notebook 04, once a seed, and print one line a seed.

    python benchmarks/ladder.py --rung fast --seeds 1 2 3 4 5           CSV, as in results/
    python benchmarks/ladder.py --rung fast --seeds 1 2 3 4 5 --json    JSON

The architecture never changes: SimpleRNN(150) and Dense(10, softmax) on the rows of MNIST, trained
on 55,000 images; `validation` and `test` are accuracies after the last epoch. `seconds` count from
`compile` to the end of `fit`, each seed in a process of its own.

Stopped at any moment and started again, it goes on after the last finished epoch: the state of
each run lies in models/ladder/. Delete a file there to train that seed anew.
"""

import argparse
import csv
import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from chapter14.data import augment, load_mnist
from chapter14.runtime import models_folder, quiet_start, replacing

COLUMNS = ("rung", "seed", "epochs", "seconds", "validation", "test", "versions")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a rung is trained; the defaults are the book's recipe with Keras' own start.

    That start is a Glorot kernel and an orthogonal recurrent kernel, for tanh. With ReLU the
    recurrent kernel starts as the identity, and gradients are clipped to a norm of one.
    """

    epochs: int
    batch_size: int = 150
    relu_identity: bool = False
    muon: bool = False  # else Adam
    learning_rate: float = 0.001  # with a warm-up: its peak
    warmup: float = 0.0  # share of all batches, then a cosine; 0: constant learning rate
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    warp: dict | None = None  # arguments of `augment`
    steps_per_execution: int = 1


WARP = {"rotation": 8.0, "shear": 0.1, "zoom": 0.08, "shift": 1.3}
RELU = Recipe(3, relu_identity=True, steps_per_execution=61)
FAST = Recipe(3, 250, True, muon=True, learning_rate=0.004, warmup=0.2, steps_per_execution=44)
LONG = dataclasses.replace(FAST, epochs=8, warmup=0.05)
NINETY_NINE = dataclasses.replace(LONG, weight_decay=0.05, label_smoothing=0.02, warp=WARP)
RUNGS = {
    "book-3": Recipe(3),
    "book-10": Recipe(10),
    "book-100": Recipe(100, steps_per_execution=61),
    "relu": RELU,
    "schedule": dataclasses.replace(RELU, learning_rate=0.003, warmup=0.2),
    "fast": FAST,
    "longer": LONG,
    "warp": dataclasses.replace(LONG, warp=WARP),
    "99": NINETY_NINE,
    "record": dataclasses.replace(
        NINETY_NINE,
        epochs=100,
        batch_size=150,
        learning_rate=0.003,
        warp=WARP | {"elastic": 1.7, "grid": 6},
        steps_per_execution=61,
    ),
}


def build_classifier(recipe: Recipe):
    """Return the compiled model of a recipe: SimpleRNN(150) and Dense(10, softmax)."""
    import keras

    start = {"activation": "relu", "recurrent_initializer": "identity"}
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.SimpleRNN(150, unroll=True, **(start if recipe.relu_identity else {})),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=muon(recipe) if recipe.muon else adam(recipe),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=recipe.steps_per_execution,
    )
    return model


def learning_rate(recipe: Recipe):
    """Return the recipe's constant learning rate, or its warm-up and cosine."""
    import keras

    if not recipe.warmup:
        return recipe.learning_rate
    total = recipe.epochs * steps_per_epoch(recipe)
    warmup = round(recipe.warmup * total)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup,
        decay_steps=total - warmup,
    )


def adam(recipe: Recipe):
    import keras

    clip = 1.0 if recipe.relu_identity else None
    return keras.optimizers.Adam(learning_rate(recipe), global_clipnorm=clip)


def muon(recipe: Recipe):
    """Return Keras' Muon with a smaller step for the recurrent kernel; Dense gets AdamW."""
    import keras

    class RecurrentMuon(keras.optimizers.Muon):
        def update_step(self, gradient, variable, learning_rate):
            path = self._trainable_variables[self._get_variable_index(variable)].path
            factor = 0.4 if path.endswith("recurrent_kernel") else 1.0
            super().update_step(gradient, variable, learning_rate * factor)

    return RecurrentMuon(
        learning_rate(recipe),
        weight_decay=recipe.weight_decay,
        adam_weight_decay=recipe.weight_decay,
        exclude_layers=["dense"],
        global_clipnorm=1.0,
    )


def steps_per_epoch(recipe: Recipe) -> int:
    return 55_000 // recipe.batch_size


def batches(recipe: Recipe, X: np.ndarray, y: np.ndarray, seed: int, first_epoch: int):
    """Return a tf.data.Dataset of the batches from ``first_epoch`` on: a function of seed and step.

    So a run that goes on after an interruption sees what an undisturbed one would have seen.
    """
    import tensorflow as tf

    steps = steps_per_epoch(recipe)
    targets = np.eye(10, dtype=np.float32)[y]
    targets = targets * (1 - recipe.label_smoothing) + recipe.label_smoothing / 10
    images, targets = tf.constant(np.rint(X * 255).astype(np.uint8)), tf.constant(targets)

    def order(epoch):
        shuffled = tf.random.experimental.stateless_shuffle(tf.range(len(X)), (seed, epoch))
        return tf.reshape(shuffled[: steps * recipe.batch_size], (steps, recipe.batch_size))

    def load(step, indices):
        batch = tf.gather(images, indices)
        if recipe.warp:
            batch = augment(batch, (seed, step), **recipe.warp)
        else:
            batch = tf.cast(batch, tf.float32) / 255
        return tf.ensure_shape(batch, (recipe.batch_size, 28, 28)), tf.gather(targets, indices)

    epochs = tf.data.Dataset.range(first_epoch, recipe.epochs, output_type=tf.int32)
    numbers = tf.data.Dataset.range(
        first_epoch * steps, recipe.epochs * steps, output_type=tf.int32
    )
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread would hold up the end of `fit` for seconds
    return (
        tf.data.Dataset.zip(numbers, epochs.map(order).unbatch())
        .map(load, num_parallel_calls=2)
        .prefetch(4)
        .with_options(options)
    )


def save_state(path: Path, model, epoch: int, seconds: float, recipe: Recipe) -> None:
    """Write the state of a run in one step: an interruption leaves the old file or the new."""
    variables = [*model.weights, *model.optimizer.variables]
    arrays = {f"variable_{i:02d}": np.asarray(v) for i, v in enumerate(variables)}
    with replacing(path) as unfinished:
        np.savez(unfinished, epoch=epoch, seconds=seconds, recipe=repr(recipe), **arrays)


def load_state(path: Path, model, recipe: Recipe) -> tuple[int, float]:
    """Return the finished epochs and their seconds, and give ``model`` its saved variables."""
    if not path.exists():
        return 0, 0.0
    with np.load(path, allow_pickle=False) as state:
        if str(state["recipe"]) != repr(recipe):
            raise SystemExit(f"{path} is of another recipe than this rung's: delete it")
        model.optimizer.build(model.trainable_variables)
        for i, variable in enumerate([*model.weights, *model.optimizer.variables]):
            variable.assign(state[f"variable_{i:02d}"])
        return int(state["epoch"]), float(state["seconds"])


def train(rung: str, seed: int) -> dict:
    """Train one seed of a rung, from its last finished epoch on, and return its result."""
    with quiet_start():
        import keras
        import tensorflow as tf

    recipe = RUNGS[rung]
    path = models_folder() / "ladder" / f"{rung}-{seed}.npz"
    (X_train, y_train), (X_valid, y_valid), (X_test, y_test) = load_mnist()
    keras.utils.set_random_seed(seed)
    started = time.perf_counter()
    model = build_classifier(recipe)
    first_epoch, seconds = load_state(path, model, recipe)
    data = batches(recipe, X_train, y_train, seed, first_epoch)

    class Progress(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            total = seconds + time.perf_counter() - started
            save_state(path, model, epoch + 1, total, recipe)
            message = f"{rung}, seed {seed}: epoch {epoch + 1} of {recipe.epochs}, {total:.1f} s"
            print(f"{message}, loss {logs['loss']:.4f}", file=sys.stderr, flush=True)

    if first_epoch < recipe.epochs:
        model.fit(
            data,
            initial_epoch=first_epoch,
            epochs=recipe.epochs,
            steps_per_epoch=steps_per_epoch(recipe),
            shuffle=False,
            verbose=0,
            callbacks=[Progress()],
        )
        seconds += time.perf_counter() - started
        save_state(path, model, recipe.epochs, seconds, recipe)

    def accuracy(X, y):
        return float((np.asarray(model(X)).argmax(axis=1) == y).mean())

    versions = f"TensorFlow {tf.__version__}, Keras {keras.__version__}, NumPy {np.__version__}"
    return {
        "rung": rung,
        "seed": seed,
        "epochs": recipe.epochs,
        "seconds": round(seconds, 2),
        "validation": round(accuracy(X_valid, y_valid), 4),
        "test": round(accuracy(X_test, y_test), 4),
        "versions": versions,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rung", choices=RUNGS, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--json", action="store_true", help="JSON lines instead of CSV")
    arguments = parser.parse_args()
    if len(arguments.seeds) == 1:
        results = iter([train(arguments.rung, arguments.seeds[0])])
    else:
        results = map(_in_a_process_of_its_own, [arguments.rung] * 99, arguments.seeds)
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    for number, result in enumerate(results):
        if arguments.json:
            print(json.dumps(result), flush=True)
            continue
        if number == 0:
            writer.writeheader()
        writer.writerow(result)
        sys.stdout.flush()


def _in_a_process_of_its_own(rung: str, seed: int) -> dict:
    command = [sys.executable, __file__, "--rung", rung, "--seeds", str(seed), "--json"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


if __name__ == "__main__":
    main()
