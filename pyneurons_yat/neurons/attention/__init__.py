"""Layers of attention, and the cache with which they decode.

Data meets `heads` first, heads and positions, and `cache` in decoding. `multi_head` scores by dot
products, `yat_multi_head` by Yat products, `yat_self` without projections of queries and keys.
"""

from .cache import AttentionCache, attention_cache, decode
from .multi_head import MultiHeadAttention
from .yat_multi_head import YatMultiHeadAttention
from .yat_self import YatSelfAttention

__all__ = [
    "AttentionCache",
    "MultiHeadAttention",
    "YatMultiHeadAttention",
    "YatSelfAttention",
    "attention_cache",
    "decode",
]
