"""Helpers for the notebooks. Import a module by name; ``import chapter14`` alone costs nothing.

- ``chapter14.mnist``: MNIST as sequences of rows; the book's learning curve; our results.
- ``chapter14.augment``: random changes to digits, resampled once.
- ``chapter14.recipes``: how each network of *Beating the book* is built and trained.
- ``chapter14.plots``: the figures of the notebooks.
- ``chapter14.unrolled``: the network unrolled through time, and a viewer of both its passes.
- ``chapter14.drawing``: a pad to draw digits on, prepared like MNIST's.
- ``chapter14.notebook``: TensorFlow without its start-up messages, and what it runs on.
- ``chapter14.exercises``: checks an answer without showing it.
- ``chapter14.train_on_workers``: trains the classifier on several machines.
"""

__version__ = "0.1.0"
