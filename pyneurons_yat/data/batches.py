"""Batches for loops of your own, as `fit` makes them of arrays."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from ..learn.batches import REMAINDERS, Arrays, ahead, arrays_of, on_device, shuffled
from ..ops.checks import check_choice, check_sizes
from .splits import Split


class Batches(Sequence[Split]):
    """The batches of one pass over arrays: `len` tells their number, `[i]` makes one of them.

    Args:
        arrays: The examples, and how many a batch has.
        order: The order of the examples; None for that of the data.
    """

    def __init__(self, arrays: Arrays, order: np.ndarray | None) -> None:
        self._arrays, self._order = arrays, order

    def __len__(self) -> int:
        """The number of batches."""
        return self._arrays.steps

    def __getitem__(self, step: Any) -> Any:
        """One batch; of a slice, a list of them."""
        steps = range(len(self))[step]
        if isinstance(steps, range):
            return [self[i] for i in steps]
        first, size = self._arrays.places(steps)
        rows = slice(first, first + size)
        taken = rows if self._order is None else self._order[rows]
        x, y = jax.tree.map(lambda leaf: leaf[taken], (self._arrays.x, self._arrays.y))
        return Split(x, y)

    def __repr__(self) -> str:
        """How many batches of how many examples."""
        return f"Batches({len(self)} of {self._arrays.size})"


def batches(
    x: Any,
    y: Any = None,
    batch_size: int | None = None,
    *,
    key: jax.Array | None = None,
    remainder: str = "keep",
) -> Batches:
    """The batches of one pass over arrays, each made when it is asked for.

    `fit` makes its own of arrays; these are for `train_step`, for other libraries, and for data
    that does not fit the device. NumPy arrays stay NumPy arrays, on the host.

    Args:
        x: Inputs, a tree of arrays with the examples along their first axes.
        y: Targets, likewise; None if there are none.
        batch_size: Examples per batch; all of them by default.
        key: A PRNG key for the order. Without it the order is that of the data. Give each pass its
            own, as by `jax.random.fold_in(key, epoch)`.
        remainder: `"keep"`: a last smaller batch is one too. `"drop"`: it is left out; with a key
            they are other examples in each pass.

    Returns:
        A sequence of pairs `(x, y)`: iterate over it, take its length, or one by its index.

    Raises:
        ValueError: If the leaves differ in the number of examples or have none, batch_size is below
            1, or remainder is neither of the two.
        TypeError: If batch_size is no integer.

    Example:
        >>> import jax, numpy as np
        >>> from pyneurons_yat.data import batches
        >>> x = np.arange(5)
        >>> [batch.x.tolist() for batch in batches(x, batch_size=2)]
        [[0, 1], [2, 3], [4]]
        >>> shuffled = batches(x, -x, 2, key=jax.random.key(0), remainder="drop")
        >>> len(shuffled), all((batch.x == -batch.y).all() for batch in shuffled)
        (2, True)
    """
    check_choice("batches", "remainder", remainder, REMAINDERS)
    if batch_size is not None:
        check_sizes("batches", batch_size=batch_size)
    arrays = arrays_of("batches", "x and y", x, y, batch_size, remainder)
    examples = len(jax.tree.leaves(x)[0])
    return Batches(arrays, None if key is None else np.asarray(shuffled(key, examples)))


def prefetch(found: Iterable[Any], number: int = 2) -> Iterator[Any]:
    """Sends batches to the device ahead of the one that is given, while that is computed with.

    `fit` does so itself.

    Args:
        found: Anything that yields trees of arrays, such as `batches` or a loader.
        number: How many batches are on their way, beside the one that was given.

    Returns:
        An iterator over the same batches, of JAX arrays.

    Raises:
        ValueError: If number is below 1.
        TypeError: If number is no integer.

    Example:
        >>> import numpy as np
        >>> from pyneurons_yat.data import batches, prefetch
        >>> [int(x.sum()) for x, _ in prefetch(batches(np.arange(6), batch_size=2))]
        [1, 5, 9]
    """
    check_sizes("prefetch", number=number)
    return ahead((jax.tree.map(on_device, batch) for batch in found), int(number))
