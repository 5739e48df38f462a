"""A residual network for images: convolutions of ReLU neurons, or of Yat neurons."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ..core import Model, bind, options_of, sequential
from ..neurons import BatchNorm, Conv, Linear
from ..ops import global_average_pool
from ..ops.checks import check_sizes

Function = Callable[..., Any]


class ResidualParams(NamedTuple):
    """Two norms and two convolutions, in turn; one that leads past them, or None: models."""

    first_norm: Model
    first: Model
    second_norm: Model
    second: Model
    shortcut: Model | None


def create_block(
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    strides: int = 1,
    conv: Function = Conv,
    norm: Function = BatchNorm,
    dtype: DTypeLike = jnp.float32,
) -> ResidualParams:
    """A residual block of images: `x + second(f(norm(first(f(norm(x))))))`, f the activation.

    Where the channels change or strides are above 1, a 1 x 1 convolution stands for the first x.

    Args:
        key: A PRNG key.
        inputs: Channels of x.
        outputs: Channels of y.
        strides: Steps of the first convolution.
        conv: What makes the first convolution: `Conv`, or `YatConv`, whose neurons need no
            activation: then pass `activation=identity`.
        norm: A layer that is created from a number of channels.
        dtype: The dtype of the parameters.

    The model takes x of shape (*B, H, W, inputs) and returns (*B, H / strides, W / strides,
    outputs). Option of the call: `activation`, relu by default.

    Returns:
        `ResidualParams(first_norm, first, second_norm, second, shortcut)`.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.zoo import ResidualBlock
        >>> ResidualBlock(jax.random.key(0), 3, 8, strides=2)(jnp.ones((2, 8, 8, 3))).shape
        (2, 4, 4, 8)

    Source:
        He et al., "Identity Mappings in Deep Residual Networks", arXiv:1603.05027, figure 1b.
    """
    one, two, three = jax.random.split(key, 3)
    same = inputs == outputs and strides == 1
    options: dict[str, Any] = {"use_bias": False, "dtype": dtype}
    return ResidualParams(
        norm(inputs, dtype=dtype),
        conv(one, inputs, outputs, (3, 3), strides=strides, dtype=dtype),
        norm(outputs, dtype=dtype),
        Conv(two, outputs, outputs, (3, 3), **options),
        None if same else Conv(three, inputs, outputs, (1, 1), strides=strides, **options),
    )


def apply_block(
    params: ResidualParams, x: jax.Array, *, activation: Function = jax.nn.relu
) -> jax.Array:
    """Applies `ResidualBlock` to x (*B, H, W, inputs)."""
    y = params.first(activation(params.first_norm(x)))
    y = params.second(activation(params.second_norm(y)))
    return y + (x if params.shortcut is None else params.shortcut(x))


ResidualBlock = bind("ResidualBlock", create_block, apply_block)


class ResNetParams(NamedTuple):
    """The first convolution, the blocks, and what makes logits of their images: models."""

    stem: Model
    blocks: Model
    head: Model


def mean_of_places(x: jax.Array) -> jax.Array:
    """The mean of an image (*B, H, W, C) over height and width, (*B, C)."""
    return global_average_pool(x, axis=(-3, -2))


@options_of(create_block, without=["strides"])
def create(
    key: jax.Array,
    inputs: int,
    classes: int,
    *,
    widths: Sequence[int] = (16, 32, 64),
    blocks: int = 1,
    activation: Function = jax.nn.relu,
    norm: Function = BatchNorm,
    dtype: DTypeLike = jnp.float32,
    **options: Any,
) -> ResNetParams:
    """A residual network: a convolution, residual blocks, the mean over all places, logits.

    Args:
        key: A PRNG key.
        inputs: Channels of x.
        classes: Logits.
        widths: Channels of each stage; from the second on, a stage halves height and width.
        blocks: How many `ResidualBlock` a stage has.
        activation: Of the blocks; `identity` beside `conv=YatConv`, which needs none.
        norm: A layer that is created from a number of channels.
        dtype: The dtype of the parameters.

    The model takes x of shape (*B, H, W, inputs) and returns (*B, classes).

    Returns:
        `ResNetParams(stem, blocks, head)`.

    Raises:
        TypeError: If a size is not an integer, or an option unknown.
        ValueError: If a size is below 1.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> from pyneurons_yat.zoo import ResNet
        >>> x = jnp.ones((2, 8, 8, 1))
        >>> ResNet(jax.random.key(0), 1, 10, widths=(4, 8))(x).shape
        (2, 10)
        >>> yat = {"conv": pn.YatConv, "activation": pn.identity}
        >>> ResNet(jax.random.key(0), 1, 10, widths=(4, 8), **yat)(x).shape
        (2, 10)

    Source:
        He et al., "Deep Residual Learning for Image Recognition", arXiv:1512.03385, section 4.2.
    """
    check_sizes("ResNet", blocks=blocks, **{f"widths[{i}]": w for i, w in enumerate(widths)})
    one, two, *keys = jax.random.split(key, 2 + blocks * len(widths))
    options = {"activation": activation, "norm": norm, "dtype": dtype, **options}
    parts, before = [], widths[0]
    for place, each in enumerate(keys):
        stage, again = divmod(place, blocks)
        strides = 2 if stage and not again else 1
        parts.append(ResidualBlock(each, before, widths[stage], strides=strides, **options))
        before = widths[stage]
    head = {
        "norm": norm(before, dtype=dtype),
        "activation": activation,
        "pool": mean_of_places,
        "logits": Linear(two, before, classes, dtype=dtype),
    }
    stem = Conv(one, inputs, widths[0], (3, 3), use_bias=False, dtype=dtype)
    return ResNetParams(stem, sequential(*parts), sequential(head))


def apply(params: ResNetParams, x: jax.Array) -> jax.Array:
    """Applies `ResNet` to images (*B, H, W, inputs)."""
    return params.head(params.blocks(params.stem(x)))


ResNet = bind("ResNet", create, apply)
