"""A vision transformer: patches of an image as tokens, in blocks that see all of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ..core import Model, bind, options_of, repeat
from ..neurons import Conv, Linear, PositionEmbed, RMSNorm
from ..ops.checks import check_flag, integers
from .block import Block, Function, normal
from .block import create as create_block


class VisionTransformerParams(NamedTuple):
    """Patches, positions, blocks, norm, logits: models. Token is (1, features), or None."""

    patches: Model
    token: jax.Array | None
    positions: Model
    blocks: Model
    norm: Model | None
    logits: Model


@options_of(create_block, without=["memory", "rotary"])
def create(
    key: jax.Array,
    inputs: int,
    classes: int,
    *,
    image_size: int | Sequence[int],
    patch_size: int | Sequence[int],
    features: int,
    blocks: int,
    class_token: bool = True,
    remat: Any = False,
    norm: Function | None = RMSNorm,
    dtype: DTypeLike = jnp.float32,
    **options: Any,
) -> VisionTransformerParams:
    """A vision transformer: patches of an image as tokens with learned positions, blocks, logits.

    Args:
        key: A PRNG key.
        inputs: Channels of x.
        classes: Logits.
        image_size: Height and width of x, one number for both.
        patch_size: Height and width of a patch, divisors of those of x.
        features: Features of the residual stream.
        blocks: How many blocks.
        class_token: Whether the logits are read off a learned token in front of the patches;
            otherwise off the mean of all.
        remat: As for `repeat`.
        norm: As for `Block`; also behind the blocks.
        dtype: The dtype of the parameters.

    The model takes x of shape (*B, H, W, inputs) and returns (*B, classes).

    Returns:
        `VisionTransformerParams(patches, token, positions, blocks, norm, logits)`.

    Raises:
        TypeError: If a size is not an integer, or an option unknown.
        ValueError: If a size is below 1, patches do not divide the image, or heads the features.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> from pyneurons_yat.zoo import VisionTransformer
        >>> model = VisionTransformer(
        ...     jax.random.key(0), 1, 10, image_size=8, patch_size=4, features=8, blocks=1, heads=2)
        >>> model(jnp.ones((2, 8, 8, 1))).shape
        (2, 10)

    Source:
        Dosovitskiy et al., "An Image is Worth 16x16 Words", arXiv:2010.11929.
    """
    image = integers("VisionTransformer", "image_size", image_size, 2, 1)
    patch = integers("VisionTransformer", "patch_size", patch_size, 2, 1)
    if any(whole % part for whole, part in zip(image, patch, strict=True)):
        raise ValueError(
            f"VisionTransformer: patch_size must divide image_size {image}, got {patch}"
        )
    check_flag("VisionTransformer", class_token=class_token)
    one, two, three, four, five = jax.random.split(key, 5)
    tokens = (image[0] // patch[0]) * (image[1] // patch[1]) + class_token
    options = {"norm": norm, "dtype": dtype, "rotary": None, "is_causal": False, **options}
    return VisionTransformerParams(
        Conv(one, inputs, features, patch, strides=patch, padding="VALID", dtype=dtype),
        0.02 * jax.random.normal(two, (1, features), dtype) if class_token else None,
        PositionEmbed(three, tokens, features, dtype=dtype),
        repeat(Block, blocks, remat=remat)(four, features, **options),
        None if norm is None else norm(features, dtype=dtype),
        Linear(five, features, classes, dtype=dtype),
    )


def apply(params: VisionTransformerParams, x: jax.Array) -> jax.Array:
    """Applies `VisionTransformer` to images (*B, H, W, inputs)."""
    x = params.patches(x)
    x = x.reshape((*x.shape[:-3], -1, x.shape[-1]))
    if params.token is not None:
        first = jnp.broadcast_to(params.token.astype(x.dtype), (*x.shape[:-2], 1, x.shape[-1]))
        x = jnp.concatenate([first, x], -2)
    x = normal(params.norm, params.blocks(params.positions(x)))
    return params.logits(jnp.mean(x, -2) if params.token is None else x[..., 0, :])


VisionTransformer = bind("VisionTransformer", create, apply)
