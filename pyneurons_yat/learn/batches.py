"""Where batches come from: arrays that lie on the device, or anything that yields batches."""

from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from ..ops.checks import check_choice, check_sizes
from .metrics import told

REMAINDERS = ("keep", "drop")
Item = TypeVar("Item")


class Arrays(NamedTuple):
    """Examples along the first axes of arrays, in batches of one size; the last may be smaller."""

    x: Any
    y: Any
    size: int
    examples: int

    @property
    def steps(self) -> int:
        """The number of batches."""
        return -(-self.examples // self.size)

    def places(self, step: int) -> tuple[int, int]:
        """Where in the order of the examples a batch begins, and how many it has."""
        first = step * self.size
        return first, min(self.size, self.examples - first)


class Stream(NamedTuple):
    """Batches from an iterable, each on its way to the device while the one before is computed."""

    function: str
    source: Any
    steps: int | None

    def batches(self, begin: int) -> Iterator[tuple[Any, Any]]:
        """The batches of a pass from `begin` on; an iterator goes on where it is."""
        source: Any = self.source() if callable(self.source) else self.source
        found = iter(source)
        begins_anew = found is not source
        stop = None if self.steps is None else self.steps - (0 if begins_anew else begin)
        for batch in islice(found, begin if begins_anew else 0, stop):
            yield self.checked(batch)

    def checked(self, batch: Any) -> tuple[Any, Any]:
        """A batch as a pair of trees of arrays on the device."""
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise TypeError(
                f"{self.function}: a batch must be a pair (x, y), got {told(batch)}; map it first: "
                "((b['x'], b['y']) for b in batches)"
            )
        x, y = (jax.tree.map(on_device, part) for part in batch)
        examples_of(self.function, "a batch", x, y)
        return x, y


def on_device(leaf: Any) -> jax.Array:
    """A leaf as an array, also one of another library."""
    try:
        return jnp.asarray(leaf)
    except TypeError:
        return (
            jnp.from_dlpack(leaf) if hasattr(leaf, "__dlpack__") else jnp.asarray(np.asarray(leaf))
        )


def data_of(
    function: str,
    what: str,
    x: Any,
    y: Any,
    batch_size: int | None = None,
    remainder: str = "keep",
    steps: int | None = None,
) -> Arrays | Stream:
    """The batches of what a caller gave, checked."""
    check_choice(function, "remainder", remainder, REMAINDERS)
    given = {"batch_size": batch_size, "steps": steps}
    check_sizes(function, **{name: n for name, n in given.items() if n is not None})
    if y is None and _yields_batches(x):
        if batch_size is not None or remainder != "keep":
            raise ValueError(
                f"{function}: batch_size and remainder must be left out beside an iterable, which "
                f"makes the batches, got {batch_size} and {remainder!r}"
            )
        return Stream(function, x, None if steps is None else int(steps))
    if steps is not None:
        raise ValueError(
            f"{function}: steps must be left out beside arrays, got {steps}; it ends the epochs of "
            "an iterable"
        )
    x, y, *sizes = arrays_of(function, what, x, y, batch_size, remainder)
    return Arrays(*jax.tree.map(jnp.asarray, (x, y)), *sizes)


def arrays_of(
    function: str, what: str, x: Any, y: Any, batch_size: int | None, remainder: str
) -> Arrays:
    """The batches of arrays, which stay where they are."""
    examples = examples_of(function, what, x, y)
    size = min(int(batch_size or examples), examples)
    return Arrays(x, y, size, examples - (examples % size if remainder == "drop" else 0))


@partial(jax.jit, static_argnums=1)
def shuffled(key: jax.Array, examples: int) -> jax.Array:
    """A random order by one sort of random bits; `jax.random.permutation` takes several."""
    return jnp.argsort(jax.random.bits(key, (examples,)))


def ahead(found: Iterator[Item], number: int) -> Iterator[Item]:
    """What an iterator yields, each given when so many after it have been asked for."""
    waiting = deque(islice(found, number))
    for following in found:
        waiting.append(following)
        yield waiting.popleft()
    yield from waiting


def _yields_batches(x: Any) -> bool:
    """Whether x is no tree of arrays: a list of batches, or one thing that can be iterated over."""
    if isinstance(x, list | Iterator):
        return True
    leaves = jax.tree.leaves(x)
    return (
        len(leaves) == 1
        and not hasattr(leaves[0], "shape")
        and (isinstance(x, Iterable) or callable(x) or hasattr(x, "__getitem__"))
    )


def examples_of(function: str, what: str, x: Any, y: Any) -> int:
    """The number of examples, the same in all leaves and at least one."""
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves((x, y))]
    sizes = {shape[0] if shape else None for shape in shapes}
    if len(sizes) != 1 or None in sizes or 0 in sizes:
        raise ValueError(
            f"{function}: {what} must have the same number of examples along their first axes, and "
            f"at least one, got shapes {', '.join(map(str, shapes)) or 'of no leaf'}; of a list "
            "make an array"
        )
    return shapes[0][0]
