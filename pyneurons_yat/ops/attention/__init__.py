"""Attention: with Yat scores in blocks, and any kind with its weights formed.

Data meets `rotary` first, then `arguments`, which checks it; `layout` deals queries and keys out;
`blocks` and `passes` go over them, `scores` computes in each block; `layout` restores the result.
`yat_attention` is the op. `dot_product` forms the weights at once, `dropped` a few
at a time.
"""

from .dot_product import dot_product_attention, dot_product_attention_weights
from .dropped import dropped_attention
from .masks import cleared, in_rank, visible_parts
from .rotary import rotary
from .yat_attention import yat_attention, yat_attention_weights

__all__ = [
    "cleared",
    "dot_product_attention",
    "dot_product_attention_weights",
    "dropped_attention",
    "in_rank",
    "rotary",
    "visible_parts",
    "yat_attention",
    "yat_attention_weights",
]
