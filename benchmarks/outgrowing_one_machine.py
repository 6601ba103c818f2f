"""The measurement of *Outgrowing one machine*; ``run_lesson.py`` runs it."""

from functools import partial

import numpy as np

from chapter14.notebook import quiet_import

with quiet_import():
    import keras

GOAL = 0.93
EPOCHS = 30


def batch_scaling(batch_size, learning_rate, digits, train, valid):
    """Return the accuracy after each so many digits, up to 93% or 30 epochs.

    The digits between two looks at the validation set are drawn anew from all of them.
    """
    X, y = train
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.SimpleRNN(150, unroll=True),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=digits // batch_size,
    )
    accuracies = []
    for _ in range(EPOCHS * len(X) // digits):
        drawn = np.asarray(keras.random.shuffle(np.arange(len(X))))[:digits]
        model.fit(X[drawn], y[drawn], batch_size, shuffle=False, verbose=0)
        accuracies.append(model.evaluate(*valid, batch_size=500, verbose=0)[1])
        if accuracies[-1] >= GOAL:
            break
    return {
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "reached": accuracies[-1] >= GOAL,
        "epochs": len(accuracies) * digits / len(X),
        "steps": len(accuracies) * digits // batch_size,
        "digits_per_look": digits,
        "accuracies": accuracies,
    }


MEASUREMENTS = {
    "batch_scaling": {
        **{
            f"{batch_size}-at-{rate}": partial(batch_scaling, batch_size, rate, digits)
            for batch_size, digits in [(240, 2_400), (2_400, 2_400), (24_000, 24_000)]
            for rate in (0.001, 0.003, 0.01)
        },
        "240-at-0.01": partial(batch_scaling, 240, 0.01, 24_000),  # doesn't get there
    },
}
