"""SimpleRNN + Dense(10) in three frameworks, each implementation in a process of its own.

All start from the same weights, take the same float32 images, shuffle them in each epoch, and
update with the same Adam after each batch, keeping loss and accuracy. All get ``THREADS`` threads.
"""

import os
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

import numpy as np

FEATURES, CLASSES = 28, 10
THREADS = 2
# PyTorch adds Adam's epsilon at another place, so it is too small here to tell them apart.
LEARNING_RATE, EPSILON = 0.001, 1e-8


def initial_weights(units: int) -> list[np.ndarray]:
    """Return kernel, recurrent kernel, bias, Dense kernel, Dense bias as Keras initializes them."""
    rng = np.random.default_rng(14)

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
    """``SimpleRNN`` and ``Dense``, trained by ``fit``."""

    def __init__(self, X, y, units, batch_size, unrolled=False):
        import keras
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(THREADS)
        self.threads = tf.config.threading.get_intra_op_parallelism_threads
        self.X, self.y, self.batch_size = X, y, batch_size
        self.model = keras.Sequential(
            [
                keras.Input(X.shape[1:], batch_size=batch_size),
                keras.layers.SimpleRNN(units, unroll=unrolled),
                keras.layers.Dense(CLASSES, activation="softmax"),
            ]
        )
        self.model.set_weights(initial_weights(units))
        self.model.compile(
            optimizer=keras.optimizers.Adam(LEARNING_RATE, epsilon=EPSILON),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            steps_per_execution=len(X) // batch_size if unrolled else 1,
            jit_compile=False,
        )

    def losses(self, batches: list[slice]) -> list[float]:
        """Train on these batches and return their losses."""
        return [self._loss(self.X[batch], self.y[batch]) for batch in batches]

    def _loss(self, X, y):
        self.model.reset_metrics()  # else it would be the mean of all losses so far
        return self.model.train_on_batch(X, y)[0]

    def train(self, epochs: int) -> list[float]:
        """Train on all images, shuffled in each epoch; return the seconds of each."""
        import keras

        clock = EpochClock()
        callback = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: clock.start(),
            on_epoch_end=lambda epoch, logs: clock.stop(),
        )
        options = {"epochs": epochs, "verbose": 0, "callbacks": [callback]}
        self.model.fit(self.X, self.y, batch_size=self.batch_size, **options)
        return clock.seconds


class EpochClock:
    """Keeps the seconds of each epoch: at its end, ``fit`` waits for a thread of ``tf.data``."""

    def __init__(self):
        self.seconds = []

    def start(self):
        self.started = time.perf_counter()

    def stop(self):
        self.seconds.append(time.perf_counter() - self.started)


class PyTorchClassifier:
    """``nn.RNN`` and ``nn.Linear``; the second bias of ``nn.RNN`` stays zero, as Keras has one."""

    def __init__(self, X, y, units, batch_size, compiled=False):
        import torch
        from torch import nn

        torch.set_num_threads(THREADS)
        self.threads = torch.get_num_threads
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
        parameters = [*self.rnn.parameters(), *self.dense.parameters()]
        trainable = [parameter for parameter in parameters if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(trainable, lr=LEARNING_RATE, eps=EPSILON)
        self.forward = self._forward
        if compiled:
            torch._dynamo.config.allow_rnn = True  # else torch.compile skips nn.RNN
            self.forward = torch.compile(self._forward)

    def _forward(self, X, y):
        logits = self.dense(self.rnn(X)[1][0])  # the last state; all states cost more backward
        loss = self.torch.nn.functional.cross_entropy(logits, y)
        return loss, (logits.argmax(1) == y).sum()

    def _update(self, batch):
        self.optimizer.zero_grad()
        loss, correct = self.forward(self.X[batch], self.y[batch])
        loss.backward()
        self.optimizer.step()
        return loss.detach(), correct

    def losses(self, batches):
        return [self._update(batch)[0].item() for batch in batches]

    def train(self, epochs):
        clock = EpochClock()
        for _ in range(epochs):
            clock.start()
            total_loss, total_correct = 0, 0
            for batch in self.torch.randperm(len(self.X)).split(self.batch_size):
                loss, correct = self._update(batch)
                total_loss += loss
                total_correct += correct
            total_loss.item()
            total_correct.item()
            clock.stop()
        return clock.seconds


class JaxClassifier:
    """A jitted step that reuses the memory of its state; ``lax.scan`` unrolls the timesteps."""

    def __init__(self, X, y, units, batch_size):
        import jax
        import jax.numpy as jnp

        self.X, self.y, self.batch_size = jax.device_put(X), jax.device_put(y), batch_size
        self.rng = np.random.default_rng(14)

        def zeros():
            return [jnp.zeros_like(weight) for weight in initial_weights(units)]

        weights = [jnp.asarray(weight) for weight in initial_weights(units)]
        self.state = weights, zeros(), zeros(), jnp.zeros((), jnp.int32)
        self.totals = jnp.zeros(2)

        def loss_and_correct(weights, X, y):
            kernel, recurrent_kernel, bias, dense_kernel, dense_bias = weights
            products = X.transpose(1, 0, 2) @ kernel + bias

            def cell(state, product):
                return jnp.tanh(product + state @ recurrent_kernel), None

            initial_state = jnp.zeros((len(X), units), X.dtype)
            state, _ = jax.lax.scan(cell, initial_state, products, unroll=len(products))
            logits = state @ dense_kernel + dense_bias
            log_probabilities = jax.nn.log_softmax(logits)
            loss = -jnp.take_along_axis(log_probabilities, y[:, None], axis=1).mean()
            return loss, (logits.argmax(1) == y).sum()

        def update(state, totals, X, y, batch):
            weights, firsts, seconds, count = state
            gradient = jax.value_and_grad(loss_and_correct, has_aux=True)
            (loss, correct), gradients = gradient(weights, X[batch], y[batch])
            count = count + 1
            rate = LEARNING_RATE * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
            firsts = [0.9 * m + 0.1 * g for m, g in zip(firsts, gradients, strict=True)]
            seconds = [0.999 * v + 0.001 * g * g for v, g in zip(seconds, gradients, strict=True)]
            weights = [
                w - rate * m / (jnp.sqrt(v) + EPSILON)
                for w, m, v in zip(weights, firsts, seconds, strict=True)
            ]
            return (weights, firsts, seconds, count), totals + jnp.stack([loss, correct]), loss

        self.update = jax.jit(update, donate_argnums=(0, 1))

    def threads(self):
        return int(os.environ["NPROC"])

    def losses(self, batches):
        return [float(self._update(np.arange(batch.start, batch.stop))) for batch in batches]

    def _update(self, batch):
        self.state, self.totals, loss = self.update(self.state, self.totals, self.X, self.y, batch)
        return loss

    def train(self, epochs):
        clock = EpochClock()
        for _ in range(epochs):
            clock.start()
            for batch in self.rng.permutation(len(self.X)).reshape(-1, self.batch_size):
                self._update(batch)
            self.totals.block_until_ready()
            clock.stop()
        return clock.seconds


class Sgemm:
    """TensorFlow's matmul of square float32 matrices, each product taking the one before."""

    def __init__(self):
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(THREADS)

        @tf.function
        def products(matrix, count):
            product = matrix
            for _ in tf.range(count):
                product = tf.matmul(product, matrix)
            return product

        rng = np.random.default_rng(14)
        self.products = products
        self.matrices = {  # orthogonal, so that products neither grow nor vanish
            size: tf.constant(np.linalg.qr(rng.normal(size=(size, size)))[0], tf.float32)
            for size in (1024, 150)
        }
        self.rates()  # compiles

    def rates(self) -> dict[int, float]:
        """Return GFLOP/s by size, the best of three."""
        rates = {}
        for size, count in ((1024, 20), (150, 2000)):
            clock = EpochClock()
            for _ in range(3):
                clock.start()
                self.products(self.matrices[size], count).numpy()
                clock.stop()
            rates[size] = 2 * size**3 * count / min(clock.seconds) / 1e9
        return rates


@dataclass(frozen=True)
class Implementation:
    """A line for the table, a class, and keyword arguments for it."""

    what: str
    classifier: type
    options: Mapping = field(default_factory=dict)


IMPLEMENTATIONS = {
    "keras": Implementation("Keras as written", KerasClassifier),
    "unrolled": Implementation(
        "Keras, unrolled, whole epoch per call", KerasClassifier, {"unrolled": True}
    ),
    "pytorch": Implementation("PyTorch nn.RNN", PyTorchClassifier),
    "pytorch_compiled": Implementation(
        "PyTorch nn.RNN, torch.compile", PyTorchClassifier, {"compiled": True}
    ),
    "jax": Implementation("JAX, unrolled, jitted step", JaxClassifier),
}


class Worker:
    """A process that holds one model, with threads of its own that sleep between calls."""

    def __init__(self):
        self.process = ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"))

    def build(self, model_class: type, *arguments, **options) -> None:
        self.process.submit(_build, model_class, arguments, options).result()

    def call(self, method: str, *arguments):
        """Return what the model's method returns; an exception there is raised here."""
        return self.process.submit(_call, method, arguments).result()

    def close(self) -> None:
        self.process.shutdown()


def _build(model_class, arguments, options):
    global _model  # of this process
    os.environ["NPROC"] = str(THREADS)  # XLA reads it when JAX starts
    _model = model_class(*arguments, **options)


def _call(method, arguments):
    return getattr(_model, method)(*arguments)
