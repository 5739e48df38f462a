"""Dense layers of a model as sparse ones, and back."""

from collections.abc import Callable
from dataclasses import replace as with_fields
from typing import Any

from ...core import Layer, Model
from ...core.checks import check_kind
from ...core.model import map_below
from ...ops.sparse import densified, fan_in, sparsified
from ..dense import Linear, YatDense
from .linear import SparseLinear
from .yat_dense import SparseYatDense

PAIRS = (Linear, SparseLinear), (YatDense, SparseYatDense)


def to_sparse(model: Model, density: float) -> Model:
    """A model with the largest weights of its dense layers alone.

    Every `Linear` becomes a `SparseLinear`, every `YatDense` a `SparseYatDense`, in whatever they
    stand. Each output keeps its K = round(density * inputs) weights of the largest magnitude, at
    least one. A layer that `compose` or `reparam` has built around one is another layer, and stays
    as it is.

    Args:
        model: A model that is or holds such layers.
        density: The share of weights that stay, above 0 and at most 1. For another one in each
            layer, convert these one by one and `replace` them.

    Returns:
        A model of the same paths, with `.kernel.values` and `.kernel.indices` for `.kernel`.

    Raises:
        TypeError: If it is no model, or density no number.
        ValueError: If there is no such layer, density is not above 0 and at most 1, or a layer has
            an option that its sparse counterpart does not take, such as distance="direct".

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Linear(pn.Box(pn.Linear(jax.random.key(0), 2, 1).params))
        >>> model = pn.replace(model, "kernel", jnp.array([[3.0], [-4.0]]))
        >>> sparse = pn.to_sparse(model, 0.5)
        >>> sparse.kernel.values.tolist(), sparse.kernel.indices.tolist()
        ([[-4.0]], [[1]])
    """

    def convert(kernel: Any) -> Any:
        return sparsified(kernel, fan_in("to_sparse", kernel.shape[-2], density))

    return _converted("to_sparse", model, dict(PAIRS), convert)


def to_dense(model: Model) -> Model:
    """A model with its sparse layers dense, the weights that are not there 0.

    Every `SparseLinear` becomes a `Linear`, every `SparseYatDense` a `YatDense`, in whatever they
    stand.

    Args:
        model: A model that is or holds such layers.

    Returns:
        A model of the same paths, with `.kernel` for `.kernel.values` and `.kernel.indices`, that
        computes the same.

    Raises:
        TypeError: If it is no model.
        ValueError: If there is no such layer.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.SparseLinear(jax.random.key(0), 100, 3, density=0.02)
        >>> dense = pn.to_dense(model)
        >>> dense.kernel.shape, int((dense.kernel != 0).sum())
        ((100, 3), 6)
    """
    return _converted("to_dense", model, {sparse: dense for dense, sparse in PAIRS}, densified)


def _converted(
    function: str, model: Any, pairs: dict[Layer, Layer], convert: Callable[[Any], Any]
) -> Model:
    check_kind(function, "model", model, Model)
    known = {layer.functions(): (layer, other) for layer, other in pairs.items()}
    found = []

    def of(model: Model) -> Model:
        if model.layer.functions() not in known:
            return map_below(lambda _, below: of(below), model)
        layer, other = known[model.layer.functions()]
        found.append(layer)
        _check_static(function, model, other)
        roles = [role for role in model.layer.roles if role not in layer.roles]
        roles = tuple(dict.fromkeys([*roles, *other.roles]))
        params = model.params._replace(kernel=convert(model.kernel))
        return Model(with_fields(other, roles=roles), params, model.static)

    converted = of(model)
    if not found:
        names = " or ".join(layer.name for layer in pairs)
        raise ValueError(f"{function}: model must be or hold a {names}, got {model.layer.name}")
    return converted


def _check_static(function: str, model: Model, other: Layer) -> None:
    """Refuses options of a layer that its counterpart does not take."""
    if refused := [name for name, _ in model.static if name not in other.taken[0]]:
        raise ValueError(
            f"{function}: the options of {model.layer.name} must be such that {other.name} takes "
            f"them, got {', '.join(refused)}; make the model without"
        )
