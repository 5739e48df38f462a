"""Examples with their targets, divided by a key."""

from typing import Any, NamedTuple

import jax
import numpy as np

from ..learn.batches import examples_of, shuffled
from ..ops.checks import SHARE, check_numbers


class Split(NamedTuple):
    """Examples and their targets, with the examples along the first axes; targets may be None.

    It is a pair: `fit(optimizer, model, *split)`, `validation=split`.

    Example:
        >>> import numpy as np
        >>> from pyneurons_yat.data import Split
        >>> x, y = Split(np.zeros((3, 2)), np.zeros(3))
        >>> x.shape
        (3, 2)
    """

    x: Any
    y: Any


def train_test_split(
    key: jax.Array, x: Any, y: Any = None, *, test_share: float = 0.2, stratify: Any = None
) -> tuple[Split, Split]:
    """Divides examples at random into those to train with and those to test with.

    Args:
        key: A PRNG key. The same key gives the same division.
        x: Inputs, a tree of arrays with the examples along their first axes.
        y: Targets, likewise; None if there are none.
        test_share: The share of the test part, above 0 and below 1. The part has
            round(test_share * N) of N examples, of a half the even number, and both parts have at
            least one.
        stratify: Labels (N,), such as y. Each part then has the same share of every label, up to
            one example.

    Returns:
        The training and the test part, NumPy arrays with the dtypes that came.

    Raises:
        ValueError: If the numbers of examples differ, a part would be empty, or test_share is out
            of range.

    Example:
        >>> import jax, numpy as np
        >>> from pyneurons_yat.data import train_test_split
        >>> x, y = np.arange(20).reshape(10, 2), np.array([0, 1] * 5)
        >>> train, test = train_test_split(jax.random.key(0), x, y, stratify=y)
        >>> train.x.shape, test.y.tolist()
        ((8, 2), [...])
        >>> sorted(test.y.tolist())
        [0, 1]
    """
    name = "train_test_split"
    examples = examples_of(name, "x, y and stratify", (x, y), stratify)
    check_numbers(name, SHARE, static=True, test_share=test_share)
    tests = round(test_share * examples)
    if not 0 < tests < examples:
        raise ValueError(
            f"{name}: test_share must leave examples in both parts, got {test_share} of {examples}"
        )
    order = np.asarray(shuffled(key, examples))
    chosen = order[:tests] if stratify is None else _alike(order, np.asarray(stratify), tests)
    tested = np.isin(order, chosen)

    def part(rows: np.ndarray) -> Split:
        return Split(*jax.tree.map(lambda leaf: np.asarray(leaf)[rows], (x, y)))

    return part(order[~tested]), part(order[tested])


def _alike(order: np.ndarray, labels: np.ndarray, number: int) -> np.ndarray:
    """The first of each label in an order, so many in all: shares by the largest remainder."""
    if labels.ndim != 1:
        raise ValueError(
            f"train_test_split: stratify must be labels of shape (N,), got shape {labels.shape}"
        )
    _, label, counts = np.unique(labels, return_inverse=True, return_counts=True)
    shares = counts * number / len(labels)
    wanted = np.floor(shares).astype(int)
    wanted[np.argsort(wanted - shares, kind="stable")[: number - wanted.sum()]] += 1
    return np.concatenate([order[label[order] == c][:n] for c, n in enumerate(wanted)])
