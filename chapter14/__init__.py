"""Helpers for the notebooks: MNIST as sequences of rows, and plots.

Modules are imported by name, so that ``import chapter14`` costs nothing:

- ``chapter14.data``: MNIST, split as in the book; augmentation; the book's curve, our results.
- ``chapter14.plots``: the figures of the notebooks.
- ``chapter14.unrolled``: the network unrolled through time, and a player of both its passes.
- ``chapter14.pad``: a pad to draw digits on, prepared as MNIST's makers did it.
- ``chapter14.exercises``: checks an answer without showing it.
- ``chapter14.runtime``: TensorFlow without its start-up messages, what it runs on, progress.
"""

__version__ = "0.1.0"
