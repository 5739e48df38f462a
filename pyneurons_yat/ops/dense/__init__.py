"""The Yat product and the affine one, of rows with a kernel.

Data meets `distance` first: the dot products and squared distances of rows and columns. `response`
makes the answer of the neurons from them. `yat` and `linear` are the ops over all pairs of rows and
columns; `pairs` compares vectors row by row.
"""

from .distance import DISTANCES, direct_distance, product
from .linear import linear
from .pairs import yat_pairs
from .response import Product, respond
from .yat import yat, yat_scores

__all__ = [
    "DISTANCES",
    "Product",
    "direct_distance",
    "linear",
    "product",
    "respond",
    "yat",
    "yat_pairs",
    "yat_scores",
]
