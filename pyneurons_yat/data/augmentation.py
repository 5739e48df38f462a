"""Augmentation: functions of a key and a batch, `(key, (x, y)) -> (x, y)`, for `fit(augment=...)`.

Each example draws its own. Options are bound by `functools.partial`; two are composed with a key
each:

    def augment(key, batch):
        one, two = jax.random.split(key)
        return random_flip(one, random_shift(two, batch, most=3))

All of them run inside of the compiled step, on the device.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ..learn.batches import examples_of, shuffled
from ..ops.checks import (
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    check_axes,
    check_choice,
    check_numbers,
    check_sizes,
    integers,
    is_several,
    told,
)

Batch = tuple[Any, Any]
FILLS = ("constant", "edge", "reflect", "wrap")


def random_crop(
    key: jax.Array,
    batch: Batch,
    *,
    size: int | Sequence[int],
    padding: int = 0,
    fill: str = "constant",
) -> Batch:
    """Cuts a part out of each image, at a place of its own.

    Args:
        key: A PRNG key.
        batch: `(x, y)`, where x are images (B, height, width, channels). y stays.
        size: Height and width of the part, or one number for both.
        padding: Pixels that are added on each side before.
        fill: What these hold: 0 for `"constant"`, or as `jnp.pad` does it: `"edge"`, `"reflect"`,
            `"wrap"`.

    Returns:
        `(x, y)` with x (B, *size, channels), of the dtype that came.

    Gradient:
        That of the part.

    Raises:
        ValueError: If x is of another rank, the part is larger than the padded image, or an option
            is out of range.
        TypeError: If batch is no pair, x no array, or a size no integer.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.data import random_crop
        >>> batch = jnp.arange(16.0).reshape(1, 4, 4, 1), jnp.array([3])
        >>> x, y = random_crop(jax.random.key(0), batch, size=2)
        >>> x.shape, y.tolist()
        ((1, 2, 2, 1), [3])
    """
    x, y = _images("random_crop", batch)
    height, width = integers("random_crop", "size", size, 2, least=1)
    return _cropped("random_crop", key, x, (height, width), padding, fill), y


def random_shift(key: jax.Array, batch: Batch, *, most: int = 2, fill: str = "constant") -> Batch:
    """Moves each image by up to so many pixels, down or up and right or left.

    Args:
        key: A PRNG key.
        batch: `(x, y)`, where x are images (B, height, width, channels). y stays.
        most: The largest move along either axis; all from -most to most are equally likely.
        fill: What comes in at the rim, as for `random_crop`.

    Returns:
        `(x, y)` of the shapes and dtypes that came.

    Gradient:
        That of the pixels that stay.

    Raises:
        ValueError: If x is of another rank, or an option is out of range.
        TypeError: If batch is no pair, x no array, or most no integer.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.data import random_shift
        >>> x, _ = random_shift(jax.random.key(0), (jnp.ones((1, 4, 4, 1)), None), most=1)
        >>> x.shape
        (1, 4, 4, 1)
    """
    x, y = _images("random_shift", batch)
    check_sizes("random_shift", least=0, most=most)
    return _cropped("random_shift", key, x, x.shape[1:3], most, fill), y


def _cropped(
    function: str, key: jax.Array, x: jax.Array, size: tuple[int, ...], padding: int, fill: str
) -> jax.Array:
    check_sizes(function, least=0, padding=padding)
    check_choice(function, "fill", fill, FILLS)
    rim = (padding, padding)
    padded = jnp.pad(x, ((0, 0), rim, rim, (0, 0)), mode=fill)
    room = [whole - part for whole, part in zip(padded.shape[1:3], size, strict=True)]
    if min(room) < 0:
        raise ValueError(
            f"{function}: size must be at most the padded image's, {padded.shape[1:3]}, got {size}"
        )
    corners = jax.random.randint(key, (len(x), 2), 0, jnp.asarray([room]) + 1)

    def cut(image: jax.Array, corner: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice(image, (*corner, 0), (*size, image.shape[2]))

    return jax.vmap(cut)(padded, corners)


def random_flip(key: jax.Array, batch: Batch, *, share: float = 0.5, axis: int = -2) -> Batch:
    """Turns some of the examples round along an axis.

    Args:
        key: A PRNG key.
        batch: `(x, y)`, where x is an array with the examples along its first axis. y stays.
        share: How likely each is to be turned, from 0 to 1.
        axis: The axis of x: -2 is the width of images (B, height, width, channels).

    Returns:
        `(x, y)` of the shapes and dtypes that came.

    Gradient:
        That of the same entries in their new order.

    Raises:
        ValueError: If share is out of range, or the axis is none of x or that of the examples.
        TypeError: If batch is no pair, x no array, or axis no integer.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.data import random_flip
        >>> x, y = jnp.array([[[1.0], [2.0]]]), jnp.array([0])
        >>> random_flip(jax.random.key(0), (x, y), share=1.0)[0].ravel().tolist()
        [2.0, 1.0]
    """
    x, y = _array("random_flip", batch)
    check_numbers("random_flip", SHARE, share=share)
    axes = check_axes("random_flip", axis, x.ndim)
    if 0 in axes:
        raise ValueError(
            f"random_flip: axis must be none of the examples, which lie along axis 0, got {axis}"
        )
    turned = _some(key, x, share)
    return jnp.where(turned, jnp.flip(x, axes), x), y


def random_erase(
    key: jax.Array,
    batch: Batch,
    *,
    share: float = 0.5,
    area: tuple[float, float] = (0.02, 0.33),
    aspect: tuple[float, float] = (0.3, 3.3),
    value: float = 0.0,
) -> Batch:
    """Overwrites a rectangle in some of the images.

    Args:
        key: A PRNG key.
        batch: `(x, y)`, where x are images (B, height, width, channels). y stays.
        share: How likely each image is to lose a rectangle, from 0 to 1.
        area: The least and the largest share of the image that a rectangle covers; above 0, at
            most 1, drawn uniformly.
        aspect: The least and the largest height over width, above 0, its logarithm drawn
            uniformly. A rectangle that would be longer than the image is cut to it.
        value: What stands in the rectangle.

    Returns:
        `(x, y)` of the shapes and dtypes that came.

    Gradient:
        That of the pixels that stay.

    Raises:
        ValueError: If x is of another rank, or an option is out of range.
        TypeError: If batch is no pair, x no array, or a range is no pair of numbers.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.data import random_erase
        >>> quarter = {"share": 1.0, "area": (0.25, 0.25), "aspect": (1, 1)}
        >>> x, _ = random_erase(jax.random.key(0), (jnp.ones((1, 8, 8, 1)), None), **quarter)
        >>> int((x == 0).sum())
        16

    Source:
        Zhong et al., "Random Erasing Data Augmentation", arXiv:1708.04896.
    """
    x, y = _images("random_erase", batch)
    check_numbers("random_erase", SHARE, share=share)
    _check_range("random_erase", "area", area, most=1.0)
    _check_range("random_erase", "aspect", aspect)
    examples, *size = x.shape[:3]
    whether, how_large, how_long, where = jax.random.split(key, 4)
    covered = jax.random.uniform(how_large, (examples,), minval=area[0], maxval=area[1])
    ratio = jnp.exp(
        jax.random.uniform(
            how_long, (examples,), minval=math.log(aspect[0]), maxval=math.log(aspect[1])
        )
    )
    whole = jnp.sqrt(covered * math.prod(size))
    sides = jnp.round(jnp.stack([whole * jnp.sqrt(ratio), whole / jnp.sqrt(ratio)], -1))
    most = jnp.asarray([size])
    sides = jnp.clip(sides.astype(int), 1, most)
    begin = jax.random.randint(where, (examples, 2), 0, most + 1 - sides)
    inside = (
        _between(size[0], begin, sides, 0)[:, :, None] & _between(size[1], begin, sides, 1)[:, None]
    )
    erased = inside[..., None] & _some(whether, x, share)
    return jnp.where(erased, jnp.asarray(value, x.dtype), x), y


def noise(key: jax.Array, batch: Batch, *, deviation: float = 0.1) -> Batch:
    """Adds normal noise to the inputs.

    Args:
        key: A PRNG key.
        batch: `(x, y)`, where x is an array of a floating dtype. y stays.
        deviation: The standard deviation, at least 0.

    Returns:
        `(x, y)` of the shapes and dtypes that came.

    Gradient:
        1 in x.

    Raises:
        ValueError: If deviation is out of range.
        TypeError: If batch is no pair, or x no array of a floating dtype.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.data import noise
        >>> x, _ = noise(jax.random.key(0), (jnp.zeros(10_000), None), deviation=0.5)
        >>> round(float(x.std()), 1)
        0.5
    """
    x, y = _array("noise", batch, floating=True)
    check_numbers("noise", NOT_NEGATIVE, deviation=deviation)
    drawn = jax.random.normal(key, x.shape, x.dtype)
    return x + jnp.asarray(deviation, x.dtype) * drawn, y


def mixup(key: jax.Array, batch: Batch, *, alpha: float = 0.2, classes: int | None = None) -> Batch:
    """Mixes each example with another one of the batch, inputs and targets alike.

        x' = l x + (1 - l) x[p],   y' = l y + (1 - l) y[p],   l ~ Beta(alpha, alpha)

    with a random order p, and a weight l for each example.

    Args:
        key: A PRNG key.
        batch: `(x, y)`, where x is an array of a floating dtype with the examples along its first
            axis, and y numbers or distributions of a floating dtype, or labels (B,).
        alpha: Of the Beta distribution, above 0: near 0 little is mixed, 1 is uniform.
        classes: The number of classes, for labels: they become distributions, (B, classes), which
            `cross_entropy` and `accuracy` take. A label that is none of the classes becomes NaN.

    Returns:
        `(x', y')`.

    Gradient:
        That of the mixture; none through l.

    Raises:
        ValueError: If alpha is out of range, classes below 1, x and y differ in the number of
            examples, or labels come without classes.
        TypeError: If batch is no pair, x no array of a floating dtype, or y no array.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.data import mixup
        >>> x, y = mixup(jax.random.key(0), (jnp.eye(2), jnp.array([0, 1])), classes=2)
        >>> bool(jnp.allclose(x, y)), bool(jnp.allclose(y.sum(1), 1))
        (True, True)

    Source:
        Zhang et al., "mixup: Beyond Empirical Risk Minimization", arXiv:1710.09412.
    """
    x, y = _array("mixup", batch, floating=True)
    check_numbers("mixup", POSITIVE, alpha=alpha)
    y = _shares(y, classes)
    examples = examples_of("mixup", "x and y", x, y)
    weighing, pairing = jax.random.split(key)
    share = jax.random.beta(weighing, alpha, alpha, (examples,))
    other = shuffled(pairing, examples)

    def mixed(array: jax.Array) -> jax.Array:
        own = share.astype(array.dtype).reshape(-1, *[1] * (array.ndim - 1))
        return own * array + (1 - own) * array[other]

    return mixed(x), mixed(y)


def _shares(y: Any, classes: int | None) -> jax.Array:
    """Targets that can be mixed; labels as distributions over the classes."""
    if not hasattr(y, "dtype"):
        raise TypeError(f"mixup: y must be an array, got {told(y)}")
    if jnp.issubdtype(y.dtype, jnp.floating):
        if classes is not None:
            raise ValueError(
                f"mixup: classes must be left out beside targets of dtype {y.dtype}, got {classes}"
            )
        return jnp.asarray(y)
    if classes is None or y.ndim != 1:
        raise ValueError(
            f"mixup: y must be of a floating dtype, or labels (B,) with their number as classes, "
            f"got {y.dtype} of shape {y.shape} and classes={classes}"
        )
    check_sizes("mixup", classes=classes)
    known = (y >= 0) & (y < classes)
    return jnp.where(known[:, None], jax.nn.one_hot(y, classes), jnp.nan)


def _array(function: str, batch: Any, *, floating: bool = False) -> tuple[jax.Array, Any]:
    """The two parts of a batch, the first an array of examples."""
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise TypeError(f"{function}: batch must be a pair (x, y), got {told(batch)}")
    x, y = batch
    if not hasattr(x, "dtype") or (floating and not jnp.issubdtype(x.dtype, jnp.floating)):
        wanted = "an array of a floating dtype" if floating else "an array"
        raise TypeError(f"{function}: x must be {wanted}, got {getattr(x, 'dtype', told(x))}")
    if x.ndim < 1:
        raise ValueError(f"{function}: x must have the examples along its first axis, got shape ()")
    return jnp.asarray(x), y


def _images(function: str, batch: Any) -> tuple[jax.Array, Any]:
    """The two parts of a batch, the first an array of images."""
    x, y = _array(function, batch)
    if x.ndim != 4:
        raise ValueError(
            f"{function}: x must be images (B, height, width, channels), got shape {x.shape}; "
            "reshape it: x[..., None] adds a channel"
        )
    return x, y


def _check_range(function: str, name: str, pair: Any, most: float = math.inf) -> None:
    """Refuses what are not two numbers in order, above 0 and at most so large."""
    if not is_several(pair) or len(pair) != 2:
        raise TypeError(f"{function}: {name} must be two numbers, got {told(pair)}")
    check_numbers(
        function, POSITIVE, static=True, **{f"{name}[{i}]": n for i, n in enumerate(pair)}
    )
    if not pair[0] <= pair[1] <= most:
        raise ValueError(f"{function}: {name} must rise, to at most {most}, got {told(pair)}")


def _some(key: jax.Array, x: jax.Array, share: Any) -> jax.Array:
    """Which examples are chosen, with axes as x has."""
    return jax.random.bernoulli(key, share, (len(x), *[1] * (x.ndim - 1)))


def _between(size: int, begin: jax.Array, sides: jax.Array, axis: int) -> jax.Array:
    """Which rows, or columns, of each image lie in its rectangle."""
    place = jnp.arange(size)
    first, beyond = begin[:, axis, None], (begin + sides)[:, axis, None]
    return (place[None] >= first) & (place[None] < beyond)
