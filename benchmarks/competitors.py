"""The competitors: one epoch of SimpleRNN + Dense(10), each in its own framework and process.

Every competitor starts from the same weights, takes the same float32 images, shuffles all of them
anew each epoch, and updates with the same Adam after each batch, keeping loss and accuracy.
"""

import multiprocessing
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

FEATURES, CLASSES = 28, 10
# PyTorch adds Adam's epsilon at another place, so it is too small here to tell them apart.
LEARNING_RATE, EPSILON = 0.001, 1e-8


@dataclass(frozen=True)
class Competitor:
    """What to run, and how.

    Attributes:
        what: one line for the table.
        framework: a key of ``FRAMEWORKS``.
        options: keyword arguments of its class.
        environment: variables to set in its process before the framework is imported.
    """

    what: str
    framework: str
    options: Mapping = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


# Each operation on one thread, two operations at a time.
TWO_LANES = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "2"}

COMPETITORS = {
    "keras": Competitor("Keras as written", "keras"),
    "whole_epoch": Competitor("Keras, the whole epoch in one call", "keras", {"whole_epoch": True}),
    "unrolled": Competitor("Keras, unrolled", "keras", {"rnn": "unrolled", "whole_epoch": True}),
    "lanes": Competitor(
        "unrolled, two lanes",
        "keras",
        {"rnn": "unrolled", "whole_epoch": True},
        TWO_LANES,
    ),
    "open_batch": Competitor(
        "unrolled, batch size left open",
        "keras",
        {"rnn": "unrolled", "whole_epoch": True, "open_batch": True},
    ),
    "on_device": Competitor(
        "unrolled, images beside the weights",
        "keras",
        {"rnn": "unrolled", "whole_epoch": True, "on_device": True},
    ),
    "halves": Competitor(
        "unrolled, two lanes, batch in halves",
        "keras",
        {"rnn": "halves", "whole_epoch": True},
        TWO_LANES,
    ),
    "xla": Competitor(
        "unrolled, XLA",
        "keras",
        {"rnn": "unrolled", "whole_epoch": True, "jit_compile": True},
    ),
    "bptt": Competitor(
        "BPTT by hand, two lanes",
        "keras",
        {"rnn": "bptt", "lanes": 1, "whole_epoch": True},
        TWO_LANES,
    ),
    "bptt_halves": Competitor(
        "BPTT by hand, two lanes, batch in halves",
        "keras",
        {"rnn": "bptt", "lanes": 2, "whole_epoch": True},
        TWO_LANES,
    ),
    "bptt_time_major": Competitor(
        "BPTT by hand, halves, timesteps first",
        "keras",
        {"rnn": "bptt", "lanes": 2, "whole_epoch": True, "on_device": True, "time_major": True},
        TWO_LANES,
    ),
    "pytorch": Competitor("PyTorch nn.RNN", "pytorch"),
    "pytorch_compiled": Competitor("PyTorch nn.RNN, torch.compile", "pytorch", {"compiled": True}),
    "jax": Competitor("JAX lax.scan", "jax", {"unroll": 28}),
}
SGEMM = Competitor("TensorFlow's matmul", "sgemm")


def initial_weights(units: int, seed: int = 14) -> list[np.ndarray]:
    """Return kernel, recurrent kernel, bias, Dense kernel, Dense bias as Keras starts them."""
    rng = np.random.default_rng(seed)

    def glorot_uniform(rows, columns):
        limit = np.sqrt(6 / (rows + columns))
        return rng.uniform(-limit, limit, (rows, columns)).astype(np.float32)

    orthogonal = np.linalg.qr(rng.normal(size=(units, units)))[0].astype(np.float32)
    return [
        glorot_uniform(FEATURES, units),
        orthogonal,
        np.zeros(units, np.float32),
        glorot_uniform(units, CLASSES),
        np.zeros(CLASSES, np.float32),
    ]


class KerasClassifier:
    """``Sequential([SimpleRNN or a stand-in, Dense(10)])``, trained by ``fit``."""

    def __init__(
        self,
        X,
        y,
        units,
        batch_size,
        rnn="plain",
        lanes=1,
        time_major=False,
        on_device=False,
        open_batch=False,
        whole_epoch=False,
        jit_compile=False,
    ):
        import keras
        from bptt_layer import BPTT, Images

        self.X, self.y, self.batch_size = X, y, batch_size
        if on_device:
            self.X = np.arange(len(X), dtype=np.int32)
        inputs = keras.Input(
            self.X.shape[1:], batch_size=None if open_batch else batch_size, dtype=self.X.dtype
        )
        rows = Images(X, time_major)(inputs) if on_device else inputs
        if rnn == "plain":
            states = keras.layers.SimpleRNN(units)(rows)
        elif rnn == "unrolled":
            states = keras.layers.SimpleRNN(units, unroll=True)(rows)
        elif rnn == "halves":
            layer = keras.layers.SimpleRNN(units, unroll=True)
            states = keras.ops.concatenate([layer(half) for half in keras.ops.split(rows, 2)])
        else:
            states = BPTT(units, lanes, time_major)(rows)
        outputs = keras.layers.Dense(CLASSES, activation="softmax")(states)
        self.model = keras.Model(inputs, outputs)
        self.model.set_weights(initial_weights(units))
        self.model.compile(
            optimizer=keras.optimizers.Adam(LEARNING_RATE, epsilon=EPSILON),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            steps_per_execution=len(X) // batch_size if whole_epoch else 1,
            jit_compile=jit_compile,
        )

    def step(self, batch: slice) -> float:
        """Train on these images and return their loss."""
        X, y = self.X[batch], self.y[batch]
        return self.model.fit(X, y, batch_size=len(X), verbose=0).history["loss"][0]

    def train(self, epochs: int) -> list[float]:
        """Train on all images, shuffled anew each epoch; return the seconds of each."""
        import keras

        seconds = []

        class Clock(keras.callbacks.Callback):  # `fit` itself waits for tf.data's tuner at its end
            def on_epoch_begin(self, epoch, logs=None):
                self.started = time.perf_counter()

            def on_epoch_end(self, epoch, logs=None):
                seconds.append(time.perf_counter() - self.started)

        options = {"epochs": epochs, "verbose": 0, "callbacks": [Clock()]}
        self.model.fit(self.X, self.y, batch_size=self.batch_size, **options)
        return seconds


class PyTorchClassifier:
    """``nn.RNN`` and ``nn.Linear``; ``nn.RNN``'s second bias stays at zero, as Keras has one."""

    def __init__(self, X, y, units, batch_size, compiled=False):
        import torch
        from torch import nn

        self.torch, self.batch_size = torch, batch_size
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y).long()
        kernel, recurrent_kernel, bias, dense_kernel, dense_bias = initial_weights(units)
        self.rnn = nn.RNN(FEATURES, units, batch_first=True)
        self.dense = nn.Linear(units, CLASSES)
        with torch.no_grad():
            for parameter, value in [
                (self.rnn.weight_ih_l0, kernel.T),
                (self.rnn.weight_hh_l0, recurrent_kernel.T),
                (self.rnn.bias_ih_l0, bias),
                (self.rnn.bias_hh_l0, np.zeros_like(bias)),
                (self.dense.weight, dense_kernel.T),
                (self.dense.bias, dense_bias),
            ]:
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
        self.rnn.bias_hh_l0.requires_grad_(False)
        parameters = [
            p for p in (*self.rnn.parameters(), *self.dense.parameters()) if p.requires_grad
        ]
        self.optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE, eps=EPSILON)
        self.loss_and_hits = self._loss_and_hits
        if compiled:
            torch._dynamo.config.allow_rnn = True
            self.loss_and_hits = torch.compile(self._loss_and_hits)

    def _loss_and_hits(self, X, y):
        logits = self.dense(self.rnn(X)[0][:, -1])
        loss = self.torch.nn.functional.cross_entropy(logits, y)
        return loss, (logits.argmax(1) == y).sum()

    def _update(self, X, y):
        self.optimizer.zero_grad()
        loss, hits = self.loss_and_hits(X, y)
        loss.backward()
        self.optimizer.step()
        return loss.detach(), hits

    def step(self, batch):
        return self._update(self.X[batch], self.y[batch])[0].item()

    def train(self, epochs):
        seconds = []
        for _ in range(epochs):
            started, losses, hits = time.perf_counter(), 0, 0
            for batch in self.torch.randperm(len(self.X)).split(self.batch_size):
                loss, hit = self._update(self.X[batch], self.y[batch])
                losses, hits = losses + loss, hits + hit
            losses.item(), hits.item()
            seconds.append(time.perf_counter() - started)
        return seconds


class JaxClassifier:
    """The whole epoch in one ``lax.scan`` over batches, each a ``lax.scan`` over timesteps."""

    def __init__(self, X, y, units, batch_size, unroll=28):
        import jax
        import jax.numpy as jnp

        self.X, self.y = jax.device_put(X), jax.device_put(y)
        self.weights = [jnp.asarray(weight) for weight in initial_weights(units)]
        self.state = (
            self.weights,
            [jnp.zeros_like(weight) for weight in self.weights],
            [jnp.zeros_like(weight) for weight in self.weights],
            jnp.zeros((), jnp.int32),
        )
        self.key = jax.random.key(14)
        self.jax = jax

        def loss_and_hits(weights, X, y):
            kernel, recurrent_kernel, bias, dense_kernel, dense_bias = weights
            products = X.transpose(1, 0, 2) @ kernel + bias

            def cell(state, product):
                return jnp.tanh(product + state @ recurrent_kernel), None

            start = jnp.zeros((len(X), units), X.dtype)
            state, _ = jax.lax.scan(cell, start, products, unroll=unroll)
            logits = state @ dense_kernel + dense_bias
            logs = jax.nn.log_softmax(logits)
            loss = -jnp.take_along_axis(logs, y[:, None], axis=1).mean()
            return loss, (logits.argmax(1) == y).sum()

        def update(state, X, y):
            weights, firsts, seconds, count = state
            (loss, hits), gradients = jax.value_and_grad(loss_and_hits, has_aux=True)(weights, X, y)
            count = count + 1
            rate = LEARNING_RATE * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
            firsts = [0.9 * m + 0.1 * g for m, g in zip(firsts, gradients, strict=True)]
            seconds = [0.999 * v + 0.001 * g * g for v, g in zip(seconds, gradients, strict=True)]
            weights = [
                w - rate * m / (jnp.sqrt(v) + EPSILON)
                for w, m, v in zip(weights, firsts, seconds, strict=True)
            ]
            return (weights, firsts, seconds, count), (loss, hits)

        def epoch(state, X, y, key):
            batches = jax.random.permutation(key, len(X)).reshape(-1, batch_size)
            return jax.lax.scan(lambda s, batch: update(s, X[batch], y[batch]), state, batches)

        self.update, self.epoch = jax.jit(update), jax.jit(epoch)

    def step(self, batch):
        self.state, (loss, _) = self.update(self.state, self.X[batch], self.y[batch])
        return float(loss)

    def train(self, epochs):
        seconds = []
        for _ in range(epochs):
            started = time.perf_counter()
            self.key, key = self.jax.random.split(self.key)
            self.state, (losses, hits) = self.epoch(self.state, self.X, self.y, key)
            losses.sum().item(), hits.sum().item()
            seconds.append(time.perf_counter() - started)
        return seconds


class Sgemm:
    """TensorFlow's matmul of square float32 matrices, each product taking the one before."""

    def __init__(self):
        import tensorflow as tf

        @tf.function
        def products(matrix, count):
            product = matrix
            for _ in tf.range(count):
                product = tf.matmul(product, matrix)
            return product

        self.products = products
        self.matrices = {  # orthogonal, so that products neither grow nor vanish
            size: tf.constant(
                np.linalg.qr(np.random.default_rng(14).normal(size=(size, size)))[0], tf.float32
            )
            for size in (1024, 150)
        }
        self.rates()

    def rates(self) -> dict[int, float]:
        """Return GFLOP/s by size, the best of three."""
        rates = {}
        for size, count in ((1024, 20), (150, 2000)):
            seconds = []
            for _ in range(3):
                start = time.perf_counter()
                self.products(self.matrices[size], count).numpy()
                seconds.append(time.perf_counter() - start)
            rates[size] = 2 * size**3 * count / min(seconds) / 1e9
        return rates


FRAMEWORKS = {
    "keras": KerasClassifier,
    "pytorch": PyTorchClassifier,
    "jax": JaxClassifier,
    "sgemm": Sgemm,
}


class Worker:
    """A competitor in a process of its own, with its own threads, asleep between calls."""

    def __init__(self, competitor: Competitor):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, competitor), daemon=True)
        self.process.start()
        theirs.close()

    def call(self, name: str, *arguments):
        """Return what the process answers; an exception there is raised here."""
        self.pipe.send((name, arguments))
        answer = self.pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self):
        self.pipe.close()
        self.process.join()


def _serve(pipe, competitor: Competitor) -> None:
    os.environ |= competitor.environment
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    model = None
    while True:
        try:
            name, arguments = pipe.recv()
        except EOFError:
            return
        try:
            if name == "build":
                model = FRAMEWORKS[competitor.framework](*arguments, **competitor.options)
                answer = None
            elif name == "losses":
                (batches,) = arguments
                answer = [float(model.step(batch)) for batch in batches]
            elif name == "rates":
                answer = model.rates()
            else:
                answer = model.train(*arguments)
        except ModuleNotFoundError as error:
            answer = error
        except Exception as error:
            answer = RuntimeError(f"{competitor.what}: {type(error).__name__}: {error}")
        pipe.send(answer)
