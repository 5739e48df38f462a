"""summary: a model as a table."""

from collections.abc import Callable
from dataclasses import replace as with_fields
from typing import Any

import jax
from jax.tree_util import keystr, tree_flatten_with_path

from .bind import identity
from .leaves import count, describe
from .model import Model, models
from .roles import leaves_with_roles
from .signatures import options_of


class Table(str):
    """Text whose repr is the text itself, so that a notebook shows it as it is."""

    __slots__ = ()
    __repr__ = str.__str__


def summary(model: Model, x: Any = None) -> Table:
    """Draws up a table of a model: every part, its own parameters, and what it puts out.

    Args:
        model: A model.
        x: An input or its `jax.ShapeDtypeStruct`. With it the table has the output shapes, found by
            `jax.eval_shape`, so nothing is computed. A part called twice shows the last call.

    Returns:
        The table as text. The last lines count array entries by role, and their bytes.

    Raises:
        TypeError: If `model` is not a model.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> one, two = jax.random.split(jax.random.key(0))
        >>> model = pn.sequential(pn.Linear(one, 64, 32), jax.nn.relu, pn.Linear(two, 32, 10))
        >>> print(pn.summary(model, jnp.ones((5, 64))))
        path  layer       parameters                          count  output
              Sequential                                             float32[5,10]
        [0]   Linear      kernel float32[64,32], bias float32[32]  2,080  float32[5,32]
        [1]   relu                                                   float32[5,32]
        [2]   Linear      kernel float32[32,10], bias float32[10]    330  float32[5,10]
        <BLANKLINE>
        2,410 params, 9,640 bytes
    """
    if not isinstance(model, Model):
        raise TypeError(f"summary: model must be a Model, but a {type(model).__name__} came")
    outputs = _outputs(model, x) if x is not None else {}
    header = ("path", "layer", "parameters", "count", "output")
    rows = [header, *(_row(path, part, outputs.get(path)) for path, part in models(model))]
    columns = range(4 if x is None else 5)
    widths = [max(len(row[i]) for row in rows) for i in columns]
    aligned = [
        "  ".join(_align(row[i], widths[i], i == 3) for i in columns).rstrip() for row in rows
    ]
    return Table("\n".join([*aligned, "", *_totals(model)]))


def _align(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def _row(path: str, part: Model, output: Any) -> tuple[str, ...]:
    own = [
        (keystr(keys).removeprefix("."), leaf)
        for keys, leaf in tree_flatten_with_path(part.params, is_leaf=_is_model)[0]
        if not _is_model(leaf)
    ]
    leaves = ", ".join(f"{name} {describe(leaf)}".strip() for name, leaf in own)
    entries = f"{count([leaf for _, leaf in own]):,}" if own else ""
    shapes = ", ".join(describe(leaf) for leaf in jax.tree.leaves(output))
    return path, part.layer.name, leaves, entries, shapes


def _is_model(node: Any) -> bool:
    return isinstance(node, Model)


def _totals(model: Model) -> list[str]:
    by_role: dict[str | None, list[Any]] = {}
    for _, leaf, role in leaves_with_roles(model):
        by_role.setdefault(role, []).append(leaf)
    return [
        f"{count(leaves):,} {role}, {sum(map(_bytes, leaves)):,} bytes"
        for role, leaves in sorted(by_role.items(), key=lambda pair: pair[0] != "params")
    ] or ["no parameters"]


def _bytes(leaf: Any) -> int:
    return leaf.size * leaf.dtype.itemsize if hasattr(leaf, "dtype") else 0


def _outputs(model: Model, x: Any) -> dict[str, Any]:
    """The output shape of every part by path, from one abstract run."""
    seen: dict[str, Any] = {}
    jax.eval_shape(Model.__call__, _watched(model, "", seen), x)
    return seen


def _watched(node: Any, path: str, seen: dict[str, Any]) -> Any:
    """The same tree, in which every model also notes the shape of what it puts out."""

    def visit(keys: Any, child: Any) -> Any:
        return _watched(child, path + keystr(keys), seen) if _is_model(child) else child

    if not _is_model(node):
        return node
    params = jax.tree_util.tree_map_with_path(visit, node.params, is_leaf=_is_model)
    layer = with_fields(node.layer, apply=_noted(node.layer.apply, path, seen))
    return Model(layer, params, node.static)


def _noted(apply: Callable[..., Any], path: str, seen: dict[str, Any]) -> Callable[..., Any]:
    @options_of(apply)
    def noted(*args: Any, **options: Any) -> Any:
        y = apply(*args, **options)
        seen[path] = jax.eval_shape(identity, y)
        return y

    return noted
