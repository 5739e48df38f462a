"""The Yat product and the affine one, of rows with a kernel.

Data meets `distance` first: the dot products and squared distances of rows and columns. `response`
makes the answer of the neurons from them. `yat` and `linear` are the ops over all pairs of rows and
columns; `pairs` compares vectors row by row; `lookup` takes rows by their numbers.
"""

from .distance import DISTANCES, direct_distance, product
from .linear import linear
from .lookup import look_up
from .pairs import yat_pairs
from .response import Product, respond
from .yat import yat, yat_scores

__all__ = [
    "DISTANCES",
    "Product",
    "direct_distance",
    "linear",
    "look_up",
    "product",
    "respond",
    "yat",
    "yat_pairs",
    "yat_scores",
]
