"""Layers whose kernels hold their non-zeros alone.

`linear` and `yat_dense` are the layers; `conversion` goes from models of dense layers to those, and
back. What moves the non-zeros between epochs is `pyneurons_yat.rewire`.
"""

from .conversion import to_dense, to_sparse
from .linear import SparseLinear
from .yat_dense import SparseYatDense

__all__ = ["SparseLinear", "SparseYatDense", "to_dense", "to_sparse"]
