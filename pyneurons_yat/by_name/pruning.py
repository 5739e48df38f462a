"""Rules of pruning by name."""

from collections.abc import Callable, Mapping

from ..ops import prune_magnitude, prune_set, prune_threshold
from ..ops.sparse import Rule
from .grammar import parsed
from .tables import arguments, look_up

TABLE: Mapping[str, Callable[..., Rule]] = {
    "Magnitude": prune_magnitude,
    "SET": prune_set,
    "Threshold": prune_threshold,
}


def pruning(text: str | Rule) -> Rule:
    """A rule of pruning by name: which entries of a sparse kernel go.

        Magnitude(share)        the smallest entries, by their magnitude
        SET(share)              those nearest to 0, of the positive and of the negative ones apart
        Threshold(threshold)    those whose magnitude is below it

    The names and meanings are nerva's.

    Args:
        text: The name and its argument; or a rule, as it is.

    Returns:
        A function from values to booleans, as `prune_magnitude` returns it.

    Raises:
        TypeError: If the argument is not that of the name.
        ValueError: If there is no such name; the message lists what there is. If text is no name,
            or the argument is out of its range.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.by_name.pruning("Magnitude(0.5)")(jnp.array([[3.0, -0.1], [0.2, -4.0]])).tolist()
        [[False, True], [True, False]]

    Source:
        The nerva libraries, whose manual lists the names.
    """
    if callable(text):
        return text
    call = parsed("pruning", text)
    make = look_up("pruning", "a rule of pruning", TABLE, call)
    return make(**arguments("pruning", call, make))
