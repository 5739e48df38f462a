"""Products with kernels of which only the non-zeros are there.

`kernel` is what they are made of, `densities` says how many non-zeros, `product` multiplies.
`linear` and `yat` are the ops. `pruning` says which non-zeros go, and puts others elsewhere.
"""

from .densities import erdos_renyi, fan_in
from .kernel import (
    Inputs,
    SparseKernel,
    check_kernel,
    densified,
    draw_indices,
    sparse_kernel,
    sparsified,
)
from .linear import sparse_linear
from .pruning import Rule, gone_of, prune_magnitude, prune_set, prune_threshold, regrown
from .yat import sparse_yat

__all__ = [
    "Inputs",
    "Rule",
    "SparseKernel",
    "check_kernel",
    "densified",
    "draw_indices",
    "erdos_renyi",
    "fan_in",
    "gone_of",
    "prune_magnitude",
    "prune_set",
    "prune_threshold",
    "regrown",
    "sparse_kernel",
    "sparse_linear",
    "sparse_yat",
    "sparsified",
]
