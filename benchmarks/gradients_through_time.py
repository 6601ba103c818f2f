"""The measurements of *Gradients through time*; ``run_lesson.py`` runs them.

Each takes the training digits and the validation digits and returns what becomes a line.
"""

from functools import partial

import numpy as np

from chapter14.notebook import quiet_import

with quiet_import():
    import keras


def rnn(activation, recurrent_initializer):
    return keras.layers.SimpleRNN(
        150, activation, recurrent_initializer=recurrent_initializer, unroll=True
    )


INITIALIZATIONS = {
    "orthogonal-0.5": lambda: rnn("tanh", keras.initializers.Orthogonal(0.5)),
    "orthogonal-1.0": lambda: rnn("tanh", keras.initializers.Orthogonal(1.0)),
    "orthogonal-1.5": lambda: rnn("tanh", keras.initializers.Orthogonal(1.5)),
    "identity": lambda: rnn("relu", "identity"),
}


def with_blank_rows(X, rows):
    """Return digits with empty rows below them."""
    return np.pad(X, ((0, 0), (0, rows), (0, 0)))


def blank_rows(initialization, learning_rate, rows, train, valid):
    """Return a network's accuracy after an epoch of 25,000 digits with blank rows below them."""
    (X, y), (X_valid, y_valid) = train, valid
    model = keras.Sequential(
        [
            keras.Input((28 + rows, 28)),
            INITIALIZATIONS[initialization](),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(learning_rate, global_clipnorm=1.0),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=50,
    )
    X, y = with_blank_rows(X[:25_000], rows), y[:25_000]
    model.fit(X, y, batch_size=250, verbose=0)
    X_valid = with_blank_rows(X_valid, rows)
    return {
        "initialization": initialization,
        "blank_rows": rows,
        "learning_rate": learning_rate,
        "validation": model.evaluate(X_valid, y_valid, batch_size=500, verbose=0)[1],
    }


def descent(limit, learning_rate, train, valid):
    """Return the losses of 80 batches of plain gradient descent, up to an overflow.

    ``dead`` is the fraction of the units that are zero after the last row of 500 validation digits.
    """
    (X, y), (X_valid, _) = train, valid
    layer = rnn("relu", "identity")
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
        "clipped": limit is not None,
        "learning_rate": learning_rate,
        "losses": losses,
        "dead": float(np.mean((states == 0).all(axis=0))),
    }


MEASUREMENTS = {
    "blank_rows": {
        f"{initialization}-{rows}-at-{rate}": partial(blank_rows, initialization, rate, rows)
        for initialization in INITIALIZATIONS
        for rows in (0, 7, 14, 21, 28)
        for rate in (0.0003, 0.001, 0.003, 0.01)
    },
    "clipping": {
        f"{name}-{rate}": partial(descent, limit, rate)
        for name, limit in [("clipped", 1.0), ("not-clipped", None)]
        for rate in (0.001, 0.002, 0.004, 0.01, 0.02, 0.04, 0.1, 0.3)
    },
}
