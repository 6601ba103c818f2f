"""Measure what the lessons and their solutions claim, once per seed.

    python benchmarks/run_lesson.py --results ablation --seeds 1 2 3
    python benchmarks/run_lesson.py --results ablation --recipe lesson --seeds 4 5

Each finished run becomes a line of chapter14/results/RESULTS.jsonl. Runs that are there already are
skipped, so start a stopped command again and it goes on. Without ``--recipe``, all recipes of these
results run.

The measurements of *Training a sequence classifier* are below; those of the later lessons have a
module each. All accuracies are on the 5,000 validation digits. Only ``table``, for the README, and
``gru`` also read the test digits: once per recipe and seed, after the recipes were chosen.
``wrong`` are the numbers of the validation digits that a network gets wrong, so that two networks
can be compared digit by digit. ``seconds`` is the whole run with its evaluation, on a machine that
does other work.
"""

import argparse
import json
import math
import sys
import time
from functools import partial

import beating_the_book
import numpy as np
import outgrowing_one_machine
import vanishing_gradients
from epoch_time import machine

from chapter14.mnist import RESULTS_FOLDER, load_mnist
from chapter14.notebook import quiet_import
from chapter14.recipes import warmup_cosine

with quiet_import():
    import keras
    import tensorflow as tf

PROBED_DIGITS = 10_000
SHIFTS = {"right": (0, 1), "left": (0, -1), "down": (1, 0), "up": (-1, 0)}  # rows, columns
ORDER_1, ORDER_2 = (np.random.default_rng(seed).permutation(28) for seed in (14, 15))
EVEN_ODD = np.r_[0:28:2, 1:28:2]
BLOCKS = np.r_[14:21, 0:7, 21:28, 7:14]
TANH = {"activation": "tanh", "recurrent_initializer": "orthogonal"}


def joint_glorot(shape, dtype=None):
    """Return initial weights in Glorot's range for one 178 by 150 matrix, the book's."""
    limit = math.sqrt(6 / (28 + 150 + 150))
    return keras.random.uniform(shape, -limit, limit, dtype)


JOINT = TANH | {"kernel_initializer": joint_glorot, "recurrent_initializer": joint_glorot}
LESSON = {"batch_size": 250, "epochs": 6, "peak": 0.002, "warmup": 1, "global_clipnorm": 1.0}
CONSTANT = {"warmup": None}
PLAIN = CONSTANT | {"batch_size": 150, "epochs": 3, "peak": 0.001, "global_clipnorm": None}


def rnn(units=150, every_row=False, **options):
    options = {"activation": "relu", "recurrent_initializer": "identity", **options}
    return keras.layers.SimpleRNN(units, return_sequences=every_row, unroll=True, **options)


def classifier(*layers, steps=28):
    output_layer = keras.layers.Dense(10, activation="softmax")
    return keras.Sequential([keras.Input((steps, 28)), *layers, output_layer])


def cnn():
    return [
        keras.layers.Reshape((28, 28, 1)),
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(64, 3, activation="relu"),
        keras.layers.Flatten(),
    ]


class MeasuredAdam(keras.optimizers.Adam):
    """Adam that notes the norm of the whole gradient at each step, before it is clipped."""

    def apply(self, grads, trainable_variables=None):
        self.norms.scatter_nd_update([[self.iterations.value]], [tf.linalg.global_norm(grads)])
        super().apply(grads, trainable_variables)


def fit(model, X, y, weights=None, loss="sparse_categorical_crossentropy", **changes):
    """Train with the lesson's recipe or a change of it; return gradient norms (epochs, steps)."""
    recipe = LESSON | changes
    epochs, batch_size, learning_rate = recipe["epochs"], recipe["batch_size"], recipe["peak"]
    steps = len(X) // batch_size
    if recipe["warmup"] is not None:
        learning_rate = warmup_cosine(learning_rate, recipe["warmup"] / epochs, epochs * steps)
    optimizer = MeasuredAdam(learning_rate, global_clipnorm=recipe["global_clipnorm"])
    optimizer.norms = tf.Variable(tf.zeros(epochs * steps))
    model.compile(optimizer, loss=loss, steps_per_execution=math.gcd(55, steps))
    whole = slice(steps * batch_size)  # no partial batch
    weights = None if weights is None else weights[whole]
    model.fit(X[whole], y[whole], batch_size, epochs, verbose=0, sample_weight=weights)
    return optimizer.norms.numpy().reshape(epochs, steps)


def answers(model, X, y):
    probabilities = model.predict(X, batch_size=500, verbose=0)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != y)
    return {
        "validation": 1 - len(wrong) / len(y),
        "confidence": float(probabilities.max(axis=1).mean()),
        "wrong": wrong.tolist(),
    }


def ablation(layer, train, valid, **changes):
    """Return a changed recipe's answers, and per epoch how large its gradients are."""
    model = classifier(rnn(**layer))
    norms = fit(model, *train, **changes)
    return answers(model, *valid) | {
        "norm_above_1": np.mean(norms > 1, axis=1).tolist(),
        "norm_median": np.median(norms, axis=1).tolist(),
        "norm_largest": float(norms.max()),
    }


def probe(X, y, X_valid, y_valid):
    """Return the accuracy of a linear classifier, fitted by least squares."""
    X, X_valid = (np.column_stack([values, np.ones(len(values))]) for values in (X, X_valid))
    weights = np.linalg.lstsq(X, np.eye(10)[y], rcond=None)[0]
    return float(np.mean((X_valid @ weights).argmax(axis=1) == y_valid))


def rows(train, valid, every_row=False, last_row=1.0, epochs=6):
    """Return, for each row, what the Dense layer and a linear probe read in the state after it."""
    (X, y), (X_valid, y_valid) = train, valid
    layer = rnn(every_row=every_row)
    model = classifier(layer)
    if epochs:
        labels, weights = y, None
        if every_row:
            labels = np.repeat(y[:, None], 28, axis=1)
            weights = np.full((len(y), 28), (28 - last_row) / 27, np.float32)
            weights[:, 27] = last_row
        fit(model, X, labels, weights, epochs=epochs)
    reader = keras.Sequential([keras.Input((28, 28)), rnn(every_row=True)])
    reader.set_weights(layer.get_weights())
    states = reader.predict(X[:PROBED_DIGITS], batch_size=500, verbose=0)
    states_valid = reader.predict(X_valid, batch_size=500, verbose=0)
    norm = np.linalg.norm(states_valid, axis=2).mean(axis=0)
    scale = norm[27] / np.where(norm > 0, norm, 1)
    result = {"norm": norm.tolist()}
    for name, values in [("", states_valid), ("scaled_", states_valid * scale[:, None])]:
        probabilities = np.asarray(model.layers[-1](values))
        right = probabilities.argmax(axis=2) == y_valid[:, None]
        result[f"{name}accuracy"] = right.mean(axis=0).tolist()
        result[f"{name}confidence"] = probabilities.max(axis=2).mean(axis=0).tolist()
    result["probe"] = [
        probe(states[:, t], y[:PROBED_DIGITS], states_valid[:, t], y_valid) for t in range(28)
    ]
    return result


def pixels(train, valid):
    """Return the probe's accuracies on the pixels themselves, of rows 0 to t."""
    (X, y), (X_valid, y_valid) = train, valid
    X, y = X[:PROBED_DIGITS], y[:PROBED_DIGITS]
    X, X_valid = X.reshape(len(X), -1), X_valid.reshape(len(X_valid), -1)
    return {
        "probe": [probe(X[:, : 28 * n], y, X_valid[:, : 28 * n], y_valid) for n in range(1, 29)]
    }


def multiply_adds(model):
    """Return the multiply-adds of one digit's forward pass, without the activations."""
    total = 0
    for layer in model.layers:
        kernels = sum(math.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 1)
        if isinstance(layer, keras.layers.SimpleRNN):
            places = layer.input.shape[1]
        else:
            places = math.prod(layer.output.shape[1:-1])
        total += kernels * places
    return total


def shifted(X, down, right):
    padded = np.pad(X, ((0, 0), (3, 3), (3, 3)))
    return padded[:, 3 - down : 31 - down, 3 - right : 31 - right]


def shifts(layers, train, valid, **changes):
    """Return a network's answers, and its accuracies on digits shifted by 1 to 3 pixels."""
    model = classifier(*layers())
    fit(model, *train, **changes)
    result = answers(model, *valid) | {"multiply_adds": multiply_adds(model)}
    X_valid, y_valid = valid
    for direction, (down, right) in SHIFTS.items():
        for n in (1, 2, 3):
            moved = answers(model, shifted(X_valid, n * down, n * right), y_valid)
            result[f"{direction}_{n}"] = moved["validation"]
    return result


def table(layers, train, valid, **changes):
    """Return a network's accuracies, on the test digits too, and how long its training takes."""
    model = classifier(*layers())
    started = time.perf_counter()
    fit(model, *train, **changes)
    fit_seconds = time.perf_counter() - started
    test = answers(model, *load_mnist()[2])["validation"]
    return {
        "fit_seconds": fit_seconds,
        "validation": answers(model, *valid)["validation"],
        "test": test,
    }


def exercise(arrange, train, valid, layers=lambda: [rnn()]):
    """Return the answers of a network that gets the digits in another arrangement."""
    (X, y), (X_valid, y_valid) = train, valid
    X, X_valid = arrange(X), arrange(X_valid)
    model = classifier(*layers(), steps=X.shape[1])
    fit(model, X, y)
    return answers(model, X_valid, y_valid) | {"parameters": model.count_params()}


def cut(X, steps=28):
    """Return the first 14 to 28 rows of each digit, filled up with rows of -1."""
    lengths = np.random.default_rng(14).integers(14, 29, len(X))
    longer = np.pad(X, ((0, 0), (0, steps - 28), (0, 0)))
    longer[np.arange(steps) >= lengths[:, None]] = -1.0
    return longer


def masked():
    return [keras.layers.Masking(mask_value=-1.0), rnn()]


def next_row(hidden, train, valid, rows=1, clock=False):
    """Return the loss of a network that predicts row t+1 from row t and what it remembers.

    It sees the last ``rows`` rows at once, and with ``clock`` the number of the row too, one-hot.
    """
    X, X_valid = (inputs_of_next_row(images, rows, clock) for images in (train[0], valid[0]))
    output_layer = keras.layers.Dense(28, activation="sigmoid")
    model = keras.Sequential([keras.Input(X.shape[1:]), hidden(), output_layer])
    fit(model, X, train[0][:, 1:], loss="binary_crossentropy")
    return {"loss": cross_entropy(valid[0], model.predict(X_valid, verbose=0))}


def inputs_of_next_row(X, rows, clock):
    padded = np.pad(X[:, :-1], ((0, 0), (rows - 1, 0), (0, 0)))
    parts = [padded[:, n : n + 27] for n in range(rows)]
    if clock:
        parts.append(np.broadcast_to(np.eye(27, dtype=X.dtype), (len(X), 27, 27)))
    return np.concatenate(parts, axis=2)


def cross_entropy(X, predicted):
    return float(np.mean(keras.losses.binary_crossentropy(X[:, 1:], predicted)))


def mean_digit(train, valid):
    mean = np.broadcast_to(train[0].mean(axis=0), valid[0].shape)
    return {"loss": cross_entropy(valid[0], mean[:, 1:])}


def copied_row(train, valid):
    """Return the loss of row t as the prediction of row t+1, but never quite black or white."""
    return {"loss": cross_entropy(valid[0], np.clip(valid[0][:, :-1], 0.03, 0.97))}


def pixel_above(train, valid):
    """Return the loss of the mean pixel below each of the 256 gray levels, a calibrated copy."""
    above, below = train[0][:, :-1].ravel(), train[0][:, 1:].ravel()
    count = np.bincount(gray_level(above), minlength=256)
    mean = np.bincount(gray_level(above), below, minlength=256) / np.maximum(count, 1)
    return {"loss": cross_entropy(valid[0], mean[gray_level(valid[0][:, :-1])])}


def gray_level(X):
    return np.rint(255 * X).astype(int)


def floor(train, valid):
    return {"loss": cross_entropy(valid[0], valid[0][:, 1:])}


MEASUREMENTS = {
    "ablation": {
        "lesson": partial(ablation, {}),
        "constant-0.002": partial(ablation, {}, **CONSTANT),
        "constant-0.001": partial(ablation, {}, **CONSTANT, peak=0.001),
        "tanh-orthogonal": partial(ablation, TANH),
        "relu-orthogonal": partial(ablation, {"recurrent_initializer": "orthogonal"}),
        "tanh-identity": partial(ablation, {"activation": "tanh"}),
        "no-warmup": partial(ablation, {}, warmup=0),
        "no-clipping": partial(ablation, {}, global_clipnorm=None),
        "batch-150": partial(ablation, {}, batch_size=150),
        "batch-150-root": partial(ablation, {}, batch_size=150, peak=0.002 * math.sqrt(150 / 250)),
        "batch-500": partial(ablation, {}, batch_size=500),
        "batch-500-root": partial(ablation, {}, batch_size=500, peak=0.002 * math.sqrt(500 / 250)),
        "plain-3": partial(ablation, TANH, **PLAIN),
        "plain-3-joint": partial(ablation, JOINT, **PLAIN),
        "plain-6": partial(ablation, TANH, **PLAIN | {"epochs": 6}),
        "clipping-10": partial(ablation, {}, global_clipnorm=10.0),
    },
    "rows": {
        "last-row": rows,
        "every-row": partial(rows, every_row=True),
        "untrained": partial(rows, epochs=0),
        "half-on-last-row": partial(rows, every_row=True, last_row=14.5),
        "last-row-12": partial(rows, epochs=12),
        "every-row-12": partial(rows, every_row=True, epochs=12),
    },
    "pixels": {"pixels": pixels},
    "cnn": {
        "rnn-0.001": partial(shifts, lambda: [rnn()], peak=0.001),
        "rnn-0.002": partial(shifts, lambda: [rnn()]),
        "rnn-0.004": partial(shifts, lambda: [rnn()], peak=0.004),
        "column-rnn": partial(shifts, lambda: [keras.layers.Permute((2, 1)), rnn()]),
        "rnn-tanh-orthogonal": partial(shifts, lambda: [rnn(**TANH)]),
        "rnn-tanh-identity": partial(shifts, lambda: [rnn(activation="tanh")]),
        "cnn-0.002": partial(shifts, cnn),
        "cnn-0.004": partial(shifts, cnn, peak=0.004),
        "cnn-0.008": partial(shifts, cnn, peak=0.008),
        "cnn-0.016": partial(shifts, cnn, peak=0.016),
        "cnn-0.032": partial(shifts, cnn, peak=0.032),
    },
    "table": {
        "lesson": partial(table, lambda: [rnn()]),
        "cnn": partial(table, cnn, peak=0.016),
    },
    "exercises": {
        "columns": partial(exercise, lambda X: X.transpose(0, 2, 1)),
        "bottom-up": partial(exercise, lambda X: X[:, ::-1]),
        "order-1": partial(exercise, lambda X: X[:, ORDER_1]),
        "order-2": partial(exercise, lambda X: X[:, ORDER_2]),
        "even-rows": partial(exercise, lambda X: X[:, ::2]),
        "even-odd": partial(exercise, lambda X: X[:, EVEN_ODD]),
        "blocks": partial(exercise, lambda X: X[:, BLOCKS]),
        "order-1-tanh": partial(exercise, lambda X: X[:, ORDER_1], layers=lambda: [rnn(**TANH)]),
        "two-layers": partial(
            exercise, np.asarray, layers=lambda: [rnn(90, every_row=True), rnn(90)]
        ),
        "masked": partial(exercise, cut, layers=masked),
        "unmasked": partial(exercise, cut),
        "masked-60": partial(exercise, partial(cut, steps=60), layers=masked),
        "unmasked-60": partial(exercise, partial(cut, steps=60)),
    },
    "next_row": {
        "rnn": partial(next_row, lambda: rnn(every_row=True)),
        "memoryless": partial(next_row, lambda: keras.layers.Dense(150, activation="relu")),
        "clock": partial(next_row, lambda: keras.layers.Dense(369, activation="relu"), clock=True),
        "three-rows": partial(
            next_row, lambda: keras.layers.Dense(221, activation="relu"), rows=3, clock=True
        ),
        "mean-digit": mean_digit,
        "copied-row": copied_row,
        "pixel-above": pixel_above,
        "floor": floor,
    },
    **vanishing_gradients.MEASUREMENTS,
    **beating_the_book.MEASUREMENTS,
    **outgrowing_one_machine.MEASUREMENTS,
}


def run(results, name, seed):
    """Make one measurement and return its line."""
    train, valid, _ = load_mnist()
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    started = time.perf_counter()
    measured = MEASUREMENTS[results][name](train, valid)
    here = machine()
    return {
        "recipe": name,
        "seed": seed,
        "seconds": round(time.perf_counter() - started, 1),
        **measured,
        "machine": f"{here['cpu']}, {here['cores']} cores",
        "versions": f"TensorFlow {tf.__version__}, Keras {keras.__version__}, "
        f"NumPy {np.__version__}",
    }


def rounded(value):
    """Return a result with five significant digits for each of its numbers."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", choices=MEASUREMENTS, required=True)
    parser.add_argument("--recipe", nargs="+", help="all of these results, unless some are named")
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    arguments = parser.parse_args()
    file = RESULTS_FOLDER / f"{arguments.results}.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    finished = [(line["recipe"], line["seed"]) for line in map(json.loads, lines)]
    for seed in arguments.seeds:
        for name in arguments.recipe or MEASUREMENTS[arguments.results]:
            if (name, seed) not in finished:
                line = rounded(run(arguments.results, name, seed))
                with file.open("a", encoding="utf-8") as output:
                    output.write(json.dumps(line) + "\n")
                print(f"{name}, seed {seed}: {line['seconds']} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
