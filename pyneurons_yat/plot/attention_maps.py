"""How much each query attends to each key."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .axes import MAP, array_of, names_of, several_axes


def attention_maps(
    weights: Any,
    *,
    queries: Sequence[str] | None = None,
    keys: Sequence[str] | None = None,
    ax: Any = None,
) -> Any:
    """Draws attention weights, a map per head with a row per query, all on one scale from 0.

    Letters: N heads, T queries, S keys.

    Args:
        weights: (N, T, S), or (T, S) for one head, at least 0: what `yat_attention_weights` gives
            for one example.
        queries: The tokens of the queries; by default their positions.
        keys: The tokens of the keys; by default those of the queries where there are as many.
        ax: Matplotlib axes, one per head; None makes new ones, in a row.

    Returns:
        The axes, an array (N,); for (T, S) those of the one map.

    Raises:
        TypeError: If weights are not real, tokens are no sequence, or ax holds what is no axes.
        ValueError: If a shape does not fit, a weight is negative, or axes are not one per head.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> from matplotlib.figure import Figure
        >>> from pyneurons_yat import plot
        >>> x = jax.random.normal(jax.random.key(0), (3, 2, 4))  # 3 tokens, 2 heads of 4
        >>> weights = pn.yat_attention_weights(x, x)
        >>> axes = plot.attention_maps(weights, queries=["a", "b", "a"], ax=Figure().subplots(1, 2))
        >>> [ax.get_title() for ax in axes]
        ['head 0', 'head 1']
    """
    name = "attention_maps"
    alone = np.ndim(weights) == 2
    maps = array_of(name, "weights", weights, "TS" if alone else "NTS", finite=True)
    if maps.min() < 0:
        raise ValueError(f"{name}: weights must be at least 0, got {maps.min()}; pass them after "
                         "the normalizer")  # fmt: skip
    maps = maps[None] if alone else maps
    heads, rows, columns = maps.shape
    if keys is None and rows == columns:
        keys = queries
    marks = names_of(name, "queries", queries, rows), names_of(name, "keys", keys, columns)
    axes = several_axes(name, ax, heads, (2.6 * heads + 1.2, 3.2))
    for head, (one, drawn) in enumerate(zip(axes, maps, strict=True)):
        image = one.imshow(drawn, cmap=MAP, vmin=0, vmax=maps.max() or 1.0)
        _mark(one, *marks)
        one.set(xlabel="key", ylabel="" if head else "query")
        if not alone:
            one.set_title(f"head {head}")
    axes[0].figure.colorbar(image, ax=list(axes), label="attention weight")
    return axes[0] if alone else axes


def _mark(ax: Any, queries: list[str], keys: list[str]) -> None:
    """Names the tokens, or, where there are many, each of some."""
    rows, columns = (range(0, len(words), -(-len(words) // 16)) for words in (queries, keys))
    turned = 90 if max(map(len, keys)) > 1 else 0
    ax.set_xticks(columns, [keys[i] for i in columns], rotation=turned, fontsize="small")
    ax.set_yticks(rows, [queries[i] for i in rows], fontsize="small")
