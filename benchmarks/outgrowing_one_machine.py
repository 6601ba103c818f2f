"""The measurement of *Outgrowing one machine*; ``run_lesson.py`` runs it."""

from functools import partial

import numpy as np

from chapter14.notebook import quiet_import

with quiet_import():
    import keras

GOAL = 0.93
EPOCHS = 30
DIGITS = 24_000  # from one look at the validation digits to the next


def batch_scaling(batch_size, learning_rate, train, valid):
    """Return the accuracy after every 24,000 digits, up to 93% or 30 epochs."""
    X, y = train
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.SimpleRNN(150, unroll=True),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    steps = DIGITS // batch_size
    model.compile(
        keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps,
    )
    validation = []
    for _ in range(EPOCHS * len(X) // DIGITS):
        digits = np.asarray(keras.random.shuffle(np.arange(len(X))))[:DIGITS]
        model.fit(X[digits], y[digits], batch_size, shuffle=False, verbose=0)
        validation.append(model.evaluate(*valid, batch_size=500, verbose=0)[1])
        if validation[-1] >= GOAL:
            break
    epochs = len(validation) * DIGITS / len(X)
    return {
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "reached": validation[-1] >= GOAL,
        "epochs": epochs,
        "steps": len(validation) * steps,
        "validation_by_24000": validation,
    }


MEASUREMENTS = {
    "batch_scaling": {
        f"{batch_size}-at-{rate}": partial(batch_scaling, batch_size, rate)
        for batch_size in (240, 2_400, 24_000)
        for rate in (0.001, 0.003, 0.01)
    },
}
