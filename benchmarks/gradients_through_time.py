"""The measurements of *Gradients through time*; ``run_lesson.py`` runs them.

Each takes the training digits and the validation digits and returns what becomes a line.
"""

from functools import partial

import numpy as np

from chapter14.notebook import quiet_import

with quiet_import():
    import keras

INITIALIZATIONS = {
    "orthogonal-0.5": ("tanh", keras.initializers.Orthogonal(0.5)),
    "orthogonal-1.0": ("tanh", keras.initializers.Orthogonal(1.0)),
    "orthogonal-1.5": ("tanh", keras.initializers.Orthogonal(1.5)),
    "identity": ("relu", keras.initializers.Identity()),
}
# Each has the rate with the best mean accuracy without blank rows and with 14, blank_rows_rates.
CHOSEN_RATES = {
    "orthogonal-0.5": 0.003,
    "orthogonal-1.0": 0.003,
    "orthogonal-1.5": 0.001,
    "identity": 0.001,
}
DIGITS = 25_000
BLANK_ROWS = (0, 7, 14, 21, 28)
RATES = (0.0003, 0.001, 0.003, 0.01)


def with_blank_rows(X, rows):
    """Return digits with empty rows below them."""
    return np.pad(X, ((0, 0), (0, rows), (0, 0)))


def blank_rows(initialization, learning_rate, rows, train, valid):
    """Return a network's accuracy after an epoch of digits with blank rows below them."""
    (X, y), (X_valid, y_valid) = train, valid
    activation, recurrent_initializer = INITIALIZATIONS[initialization]
    model = keras.Sequential(
        [
            keras.Input((28 + rows, 28)),
            keras.layers.SimpleRNN(
                150, activation, recurrent_initializer=recurrent_initializer, unroll=True
            ),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(learning_rate, global_clipnorm=1.0),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=50,
    )
    model.fit(with_blank_rows(X[:DIGITS], rows), y[:DIGITS], batch_size=250, verbose=0)
    _, accuracy = model.evaluate(with_blank_rows(X_valid, rows), y_valid, batch_size=500, verbose=0)
    return {
        "initialization": initialization,
        "learning_rate": learning_rate,
        "blank_rows": rows,
        "validation": accuracy,
    }


def descent(limit, learning_rate, train, valid):
    """Return the losses of 80 batches of plain gradient descent, up to an overflow.

    ``dead`` is the fraction of the units that are zero after the last row of 500 validation digits.
    """
    (X, y), (X_valid, _) = train, valid
    layer = keras.layers.SimpleRNN(150, "relu", recurrent_initializer="identity", unroll=True)
    model = keras.Sequential([keras.Input((28, 28)), layer, keras.layers.Dense(10)])
    model.compile(
        keras.optimizers.SGD(learning_rate, global_clipnorm=limit),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    losses = []
    for batch in np.asarray(keras.random.randint((80, 100), 0, len(X))):
        model.reset_metrics()
        loss = float(model.train_on_batch(X[batch], y[batch]))
        if not np.isfinite(loss):
            break
        losses.append(loss)
    states = np.asarray(layer(X_valid[:500]))
    return {
        "learning_rate": learning_rate,
        "clipped": limit is not None,
        "losses": losses,
        "dead": float(np.mean((states == 0).all(axis=0))),
    }


MEASUREMENTS = {
    "blank_rows_rates": {
        f"{initialization}-at-{rate}-{rows}": partial(blank_rows, initialization, rate, rows)
        for initialization in INITIALIZATIONS
        for rate in RATES
        for rows in (0, 14, 28)
    },
    "blank_rows": {
        f"{initialization}-{rows}": partial(blank_rows, initialization, rate, rows)
        for initialization, rate in CHOSEN_RATES.items()
        for rows in BLANK_ROWS
    },
    "clipping": {
        f"{name}-{rate}": partial(descent, limit, rate)
        for name, limit in [("clipped", 1.0), ("not-clipped", None)]
        for rate in (0.001, 0.002, 0.004, 0.01, 0.02, 0.04, 0.1, 0.3)
    },
}
