"""The measurements of *Beating the book* and its solutions; ``run_lesson.py`` runs them.

Each takes the training digits and the validation digits and returns what becomes a line.
"""

from dataclasses import replace
from functools import partial

from chapter14.mnist import load_mnist
from chapter14.notebook import quiet_import
from chapter14.recipes import RECIPES, _batches, build, warmup_cosine

with quiet_import():
    import keras

CELLS = {  # as many units as fit into the 28,360 parameters of the first
    "relu": lambda: keras.layers.SimpleRNN(150, "relu", recurrent_initializer="identity"),
    "lstm": lambda: keras.layers.LSTM(69),
    "gru": lambda: keras.layers.GRU(81),
}
PEAKS = (0.001, 0.002, 0.004, 0.006, 0.012, 0.024, 0.048)


def classifier(layer):
    output_layer = keras.layers.Dense(10, activation="softmax", name="dense")
    return keras.Sequential([keras.Input((28, 28)), layer, output_layer])


def accuracy(model, X, y):
    return float((model.predict(X, batch_size=500, verbose=0).argmax(axis=1) == y).mean())


def cell(name, peak, train, valid):
    """Return a cell's accuracy after three epochs of 10,000 digits, with warm-up and cosine."""
    X, y = (array[:10_000] for array in train)
    model = classifier(CELLS[name]())
    learning_rate = warmup_cosine(peak, warmup=0.2, steps=3 * len(X) // 100)
    model.compile(
        keras.optimizers.Adam(learning_rate, global_clipnorm=1.0),
        loss="sparse_categorical_crossentropy",
    )
    model.fit(X, y, batch_size=100, epochs=3, verbose=0)
    return {
        "cell": name,
        "learning_rate": peak,
        "parameters": model.count_params(),
        "validation": accuracy(model, *valid),
    }


def gru(peak, train, valid, test=False):
    """Return the accuracy of a GRU trained by the recipe ``regularized``, with a peak of its own.

    With ``test``, for the peak that was chosen, its accuracy on the test digits too.
    """
    X, y = train
    recipe = replace(RECIPES["regularized"], learning_rate=peak)
    compiled = build(recipe, len(X))
    compiled.optimizer.exclude_layers.append("bias")  # a GRU's is a matrix, but not a kernel
    model = classifier(keras.layers.GRU(81, unroll=True))
    model.compile(
        compiled.optimizer, compiled.loss, steps_per_execution=compiled.steps_per_execution
    )
    seed = int(keras.random.randint((), 0, 1_000_000))
    model.fit(
        _batches(recipe, X, y, seed, first_epoch=0),
        epochs=recipe.epochs,
        steps_per_epoch=len(X) // recipe.batch_size,
        shuffle=False,
        verbose=0,
    )
    result = {
        "learning_rate": peak,
        "parameters": model.count_params(),
        "validation": accuracy(model, *valid),
    }
    if test:
        result["test"] = accuracy(model, *load_mnist()[2])
    return result


MEASUREMENTS = {
    "cells": {f"{name}-{peak}": partial(cell, name, peak) for name in CELLS for peak in PEAKS},
    "gru_rates": {f"peak-{peak}": partial(gru, peak) for peak in (0.004, 0.008, 0.016, 0.032)},
    "gru": {"chosen": partial(gru, 0.016, test=True)},
}
