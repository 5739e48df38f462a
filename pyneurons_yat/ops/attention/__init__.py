"""Attention: with Yat scores in blocks, and any kind with its weights formed.

`positions` tell where tokens stand and `patterns` who sees whom.
Data meets `rotary` first, then `arguments`, which checks it; `layout` deals queries and keys out;
`blocks` and `passes` go over them, `scores` computes in each block; `layout` restores the result.
`yat_attention` is the op. `dot_product` forms the weights at once, `dropped` a few
at a time.
"""

from .dot_product import dot_product_attention, dot_product_attention_weights
from .dropped import dropped_attention
from .masks import cleared, in_rank, visible_parts
from .patterns import (
    big_bird_mask,
    block_mask,
    combine_masks,
    fixed_mask,
    make_attention_mask,
    make_causal_mask,
    strided_mask,
)
from .positions import alibi, sinusoidal
from .ring import ring_attention
from .rotary import rotary
from .yat_attention import yat_attention, yat_attention_weights

__all__ = [
    "alibi",
    "big_bird_mask",
    "block_mask",
    "cleared",
    "combine_masks",
    "dot_product_attention",
    "dot_product_attention_weights",
    "dropped_attention",
    "fixed_mask",
    "in_rank",
    "make_attention_mask",
    "make_causal_mask",
    "ring_attention",
    "rotary",
    "sinusoidal",
    "strided_mask",
    "visible_parts",
    "yat_attention",
    "yat_attention_weights",
]
