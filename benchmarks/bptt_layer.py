"""Backpropagation through time written by hand, as a Keras layer for ``fit``."""

import keras
import tensorflow as tf


class BPTT(keras.layers.Layer):
    """What ``SimpleRNN(units, unroll=True)`` computes, with few, large matrix products.

    Forward, one product serves the inputs of all timesteps. Backward, the sum over time is one
    matrix product too: with h and delta of all timesteps stacked, sum_t h(t-1)^T delta(t) =
    H^T Delta. Only what waits for another timestep, h(t-1) Wh and delta(t+1) Wh^T, is left in
    the loop. The images of a batch are independent, so ``lanes`` parts of it run side by side.

    The input has shape (batch, timesteps, features), or, with ``time_major``, (timesteps, batch,
    features): then the rows of a timestep lie together in memory and nothing is transposed.
    """

    def __init__(self, units: int, lanes: int = 2, time_major: bool = False):
        super().__init__()
        self.units, self.lanes, self.time_major = units, lanes, time_major

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, self.units), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, X):
        weights = (tf.convert_to_tensor(w) for w in (self.kernel, self.recurrent_kernel, self.bias))
        weights = list(weights)
        if not self.time_major:
            X = tf.transpose(X, (1, 0, 2))
        parts = tf.split(X, self.lanes, axis=1)
        return tf.concat([_last_state(part, *weights) for part in parts], 0)


class Images(keras.layers.Layer):
    """All images, kept beside the weights: a batch of indices goes in, its images come out.

    ``fit`` then shuffles indices, and the images are fetched by the training step itself.
    """

    def __init__(self, images, time_major: bool = False):
        super().__init__()
        self.images = tf.constant(images.transpose(1, 0, 2) if time_major else images)
        self.batch_axis = 1 if time_major else 0

    def call(self, indices):
        return tf.gather(self.images, indices, axis=self.batch_axis)


@tf.custom_gradient
def _last_state(X, kernel, recurrent_kernel, bias):
    timesteps, size, features = X.shape
    rows = tf.reshape(X, (timesteps * size, features))
    products = tf.split(tf.matmul(rows, kernel) + bias, timesteps)
    states = [tf.tanh(products[0])]
    for product in products[1:]:
        states.append(tf.tanh(product + tf.matmul(states[-1], recurrent_kernel)))

    def backward(gradient):
        transposed = tf.transpose(recurrent_kernel)
        deltas = [tf.raw_ops.TanhGrad(y=states[-1], dy=gradient)]
        for state in states[-2::-1]:
            deltas.append(tf.raw_ops.TanhGrad(y=state, dy=tf.matmul(deltas[-1], transposed)))
        Delta = tf.concat(deltas[::-1], 0)
        return (
            tf.reshape(tf.matmul(Delta, kernel, transpose_b=True), X.shape),
            tf.matmul(rows, Delta, transpose_a=True),
            tf.matmul(tf.concat(states[:-1], 0), Delta[size:], transpose_a=True),
            tf.reduce_sum(Delta, 0),
        )

    return states[-1], backward
