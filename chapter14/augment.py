"""Augmentation: shift, rotate, shear, zoom, and bend digits, and resample them only once."""

import numpy as np


def augment(images, seed, *, rotation=0.0, shear=0.0, zoom=0.0, shift=0.0, elastic=0.0, grid=6):
    """Transform each image of a batch in its own random way, for ``tf.data.Dataset.map``.

    Args:
        images: float32 in [0, 1], shape (batch, height, width).
        seed: two integers; the same seed gives the same batch.
        rotation: largest angle in degrees; like the next three, uniform in both directions.
        shear: largest horizontal shift of a row, per pixel of its distance from the center.
        zoom: sizes are divided by a factor from 1 - ``zoom`` to 1 + ``zoom``; below 1.
        shift: largest displacement in pixels, along each axis.
        elastic: standard deviation in pixels, along each axis, of the random displacements of
            ``grid`` x ``grid`` control points. A cubic B-spline smooths them, which leaves half
            of it at an inner control point. (Simard, Steinkraus, and Platt 2003 smooth a random
            displacement of each pixel instead.)
        grid: control points along each axis, 2 or more.

    Returns:
        float32 tensor in [0, 1], of the shape of ``images``.

    Raises:
        ValueError: ``zoom`` is 1 or more, which would turn images inside out.

    Example:
        >>> X = np.ones((2, 28, 28), np.float32)
        >>> augment(X, (1, 2), rotation=10).shape
        TensorShape([2, 28, 28])
    """
    import tensorflow as tf

    if zoom >= 1:
        raise ValueError(f"zoom: expected a fraction below 1, got {zoom}")
    batch = tf.shape(images)[0]
    height, width = images.shape[1:]
    seed = tf.cast(seed, tf.int32)
    draws = tf.random.stateless_uniform((5, batch, 1, 1), seed, -1.0, 1.0)
    displacement = tf.zeros((2, 1, 1, 1))
    if elastic:
        other_seed = seed + tf.constant([1_000_003, 0])  # independent of the draws above
        control = elastic * tf.random.stateless_normal((2 * batch, grid**2), other_seed)
        weights = np.kron(_spline_weights(height, grid), _spline_weights(width, grid))
        displacement = tf.reshape(control @ weights.T, (2, batch, height, width))
    return transform(
        images,
        shift_x=-draws[3] * shift,
        shift_y=-draws[4] * shift,
        rotation=draws[0] * rotation,
        shear=draws[1] * shear,
        zoom=1.0 / (1.0 + draws[2] * zoom),
        displacement=displacement,
    )


def transform(
    images, *, shift_x=0.0, shift_y=0.0, rotation=0.0, shear=0.0, zoom=1.0, displacement=(0.0, 0.0)
):
    """Shift, rotate, shear, zoom, and bend images, with a single resampling.

    The changes are made in this order, all but the shift about the center. They're composed
    first; then each pixel is read once, by bilinear interpolation, so strokes stay sharp.

    Args:
        images: float32, shape (batch, height, width). Outside an image is 0.
        shift_x, shift_y: pixels to the right and down. Like the next three, a number or an array
            of shape (batch, 1, 1).
        rotation: degrees, counterclockwise.
        shear: how far a row moves to the right per pixel above the center.
        zoom: the factor by which sizes grow.
        displacement: how far to the right (first) and below (second) its own place each pixel of
            the result reads, in pixels; two numbers, or shape (2, batch, height, width).

    Returns:
        float32 tensor of the shape of ``images``.

    Example:
        >>> dot = np.zeros((1, 5, 5), np.float32)
        >>> dot[0, 2, 2] = 1
        >>> np.argwhere(transform(dot, shift_x=1, shift_y=-2).numpy()).tolist()
        [[0, 0, 3]]
    """
    import tensorflow as tf

    height, width = images.shape[1:]
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    y = np.arange(height, dtype=np.float32)[None, :, None] - middle_y
    x = np.arange(width, dtype=np.float32)[None, None, :] - middle_x
    angle = tf.cast(rotation, tf.float32) * (np.pi / 180)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    # Where each pixel of the result comes from: the changes undone, in reverse order.
    x, y = (x + shear * y) / zoom, y / zoom
    from_x = cosine * x - sine * y + middle_x - shift_x + displacement[0]
    from_y = sine * x + cosine * y + middle_y - shift_y + displacement[1]
    return _bilinear(tf.convert_to_tensor(images), from_y, from_x)


def _spline_weights(size: int, grid: int) -> np.ndarray:
    """Return cubic B-spline weights, (size, grid), that spread control values over pixels."""
    distance = np.abs(np.linspace(0, grid - 1, size)[:, None] - np.arange(grid))
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    weights = np.where(distance < 1, near, far)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _bilinear(images, from_y, from_x):
    """Return the images' values at the given places, (batch, height, width); 0 outside."""
    import tensorflow as tf

    batch, height, width = tf.shape(images)[0], *images.shape[1:]
    padded = tf.pad(images, ((0, 0), (1, 2), (1, 2)))  # a frame of zeros to read outside
    from_y = tf.clip_by_value(from_y, -1.0, float(height))
    from_x = tf.clip_by_value(from_x, -1.0, float(width))
    floor_y, floor_x = tf.floor(from_y), tf.floor(from_x)
    part_y, part_x = from_y - floor_y, from_x - floor_x
    row_length = width + 3
    top_left = tf.cast((floor_y + 1) * row_length + floor_x + 1, tf.int32)
    top_left += tf.reshape(tf.range(batch) * (height + 3) * row_length, (-1, 1, 1))
    pixels = tf.reshape(padded, (-1,))
    top = (1 - part_x) * tf.gather(pixels, top_left)
    top += part_x * tf.gather(pixels, top_left + 1)
    bottom = (1 - part_x) * tf.gather(pixels, top_left + row_length)
    bottom += part_x * tf.gather(pixels, top_left + row_length + 1)
    return (1 - part_y) * top + part_y * bottom
