"""The carry of a recurrent layer as torch gives it: stacked arrays, h before c. And back."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...core import Model
from ...ops.checks import told
from .cell import initial_carry


def stacked_states(model: Model, carry: Any) -> Any:
    """The carry of an `RNN`, `LSTM` or `GRU` in torch's order.

    A carry here has an entry for each layer, of a bidirectional one a pair (forward, backward), and
    of an LSTM each is (c, h). In torch all layers and directions are along the first axis, layer 0
    forward, layer 0 backward, layer 1 forward and so on; and h_n comes before c_n.

    Letters: L layers, D directions, *B batch axes, O outputs.

    Args:
        model: An `RNN`, or one of its kinds.
        carry: What `model(x, return_carry=True)` returned first, or what is given to it.

    Returns:
        h (L D, *B, O); of cells whose carry is (c, h) the pair of h and c.

    Gradient:
        Plain autodiff.

    Raises:
        TypeError: If model is no such layer, or carry has another structure than its own.

    Example:
        torch's `output, (h_n, c_n) = lstm(x)` is

        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> lstm = pn.LSTM(jax.random.key(0), 10, 20, layers=2, bidirectional=True)
        >>> carry, output = lstm(jnp.ones((32, 15, 10)), return_carry=True)
        >>> h, c = pn.stacked_states(lstm, carry)
        >>> output.shape, h.shape, c.shape
        ((32, 15, 40), (4, 32, 20), (4, 32, 20))
    """
    cells, structure = _cells("stacked_states", model)
    if jax.tree.structure(carry) != structure:
        raise TypeError(
            f"stacked_states: carry must have the structure {structure} of the model's own, got "
            f"{jax.tree.structure(carry)}; model(x, return_carry=True) returns one"
        )
    leaves = jax.tree.leaves(carry)
    parts = len(leaves) // len(cells)
    stacked = tuple(jnp.stack(leaves[part::parts]) for part in reversed(range(parts)))
    return stacked[0] if parts == 1 else stacked


def carry_of(model: Model, states: Any) -> Any:
    """The carry of an `RNN`, `LSTM` or `GRU` of states in torch's order, as to begin with.

    It undoes `stacked_states`: torch's `lstm(x, (h_0, c_0))` is
    `lstm(x, carry=carry_of(lstm, (h_0, c_0)))`.

    Args:
        model: An `RNN`, or one of its kinds.
        states: h (L D, *B, O), or the pair of h and c.

    Returns:
        A tuple with one entry per layer, for `carry=` of the model's call.

    Gradient:
        Plain autodiff.

    Raises:
        TypeError: If model is no such layer, or states are not as many arrays as a cell has.
        ValueError: If the first axis is not L D.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> gru = pn.GRU(jax.random.key(0), 3, 4, layers=2)
        >>> h = jnp.arange(2.0).reshape(2, 1, 1) * jnp.ones((2, 5, 4))
        >>> [float(one.mean()) for one in pn.carry_of(gru, h)]
        [0.0, 1.0]
    """
    cells, structure = _cells("carry_of", model)
    given = tuple(states) if isinstance(states, tuple | list) else (states,)
    parts = structure.num_leaves // len(cells)
    if len(given) != parts:
        wanted = "h" if parts == 1 else "a pair (h, c)"
        raise TypeError(f"carry_of: states must be {wanted}, got {told(states)}")
    for array in given:
        if np.shape(array)[:1] != (len(cells),):
            raise ValueError(
                f"carry_of: states must have one entry for each of {len(cells)} cells along the "
                f"first axis, got shape {np.shape(array)}"
            )
    leaves = [given[part][at] for at in range(len(cells)) for part in reversed(range(parts))]
    return jax.tree.unflatten(structure, leaves)


def _cells(function: str, model: Any) -> tuple[list[Model], Any]:
    """The cells of a model, layer by layer and direction by direction; the structure of a carry."""
    layers = getattr(model, "cells", None) if isinstance(model, Model) else None
    if layers is None:
        raise TypeError(f"{function}: model must be an RNN, or one of its kinds, got {told(model)}")
    cells = jax.tree.leaves(layers, is_leaf=_is_cell)
    first = jax.eval_shape(lambda: jax.tree.map(initial_carry, layers, is_leaf=_is_cell))
    return cells, jax.tree.structure(first)


def _is_cell(part: Any) -> bool:
    return isinstance(part, Model)
