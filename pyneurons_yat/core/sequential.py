"""sequential: models and functions one after another."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Signature
from typing import Any

from .bind import identity
from .checks import check_kind, check_plain
from .functions import as_value
from .layer import Layer
from .model import Model, noting
from .signatures import Parameter, Wrapping, shown, taken_by, with_options

Function = Callable[..., Any]


PARAMS = Parameter("params", Parameter.POSITIONAL_ONLY)


@dataclass(frozen=True)
class Applied(Wrapping):
    """A plain function as the `apply` of a model without parameters."""

    function: Function

    def __call__(self, params: Any, *args: Any, **options: Any) -> Any:
        return self.function(*args, **options)

    def signature(self) -> Signature:
        taken = taken_by(self.function)
        own = [p for p in taken.signature.parameters.values() if p.name not in taken.keywords]
        options = [taken.signature.parameters[name] for name in sorted(taken.keywords)]
        return with_options(Signature([PARAMS, *own]), options)

    def title(self, name: str) -> str:
        return shown(self.function)


class Sequential(Layer):
    """The layer of `sequential`: parameters are the parts, functions as models without any."""

    def parts(self, parameters: Any) -> tuple[Any, ...]:
        return tuple(_unwrap(part) for _, part in _items(parameters))

    def part(self, parameters: Any, index: Any) -> Any:
        items = _items(parameters)
        if isinstance(index, slice):
            named = isinstance(parameters, dict)
            return _sequential(OrderedDict(items[index]) if named else [p for _, p in items[index]])
        return _unwrap(items[index][1] if isinstance(index, int) else dict(items)[index])


def sequential(*parts: Any) -> Model:
    """Models and functions one after another, as one model.

    Args:
        *parts: Models and functions of one argument, by position; or one mapping from names to
            them. Positions and names are the paths of the parts: `[0].kernel`, `['hidden'].kernel`.
            A function that names a keyword `key`, with the default `None`, receives a key in
            training. `jax.nn.relu` is the usual ReLU; `pn.relu` is straight-through.
            Options go by `functools.partial(pn.max_pool, window=(2, 2))`. Partials of equal
            options, numbers and tuples, are equal parts: a model made anew compiles once, and
            pickles. A lambda means a compilation each time, and does not pickle.
            A module of another library is no function but a tree of arrays: `bind(arrays, apply)`
            makes a model of it. `eqx.partition` and `eqx.combine` of equinox, `nnx.split` and
            `nnx.merge` of flax, take its arrays out and put them back.

    Returns:
        A model. It can be indexed by position, name or slice, and iterated over. A slice is a
        sequential model again. `len(list(model))` counts the parts.

    Raises:
        TypeError: If a part is neither a model nor a function. A layer is not a model yet.
        ValueError: If there is no part.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> one, two = jax.random.split(jax.random.key(0))
        >>> model = pn.sequential({"hidden": pn.YatDense(one, 3, 8), "out": pn.Linear(two, 8, 2)})
        >>> model(jnp.ones((5, 3))).shape
        (5, 2)
        >>> model["out"].kernel.shape, model[:1](jnp.ones((5, 3))).shape
        ((8, 2), (5, 8))
    """
    if len(parts) == 1 and isinstance(parts[0], Mapping):
        return _sequential(OrderedDict(_named(name, part) for name, part in parts[0].items()))
    return _sequential([_part(position, part) for position, part in enumerate(parts)])


def _sequential(parts: "list[Model] | OrderedDict[str, Model]") -> Model:
    if not parts:
        raise ValueError("sequential: parts must be at least one, a model or a function, got none")
    return Model(SEQUENTIAL, parts if isinstance(parts, OrderedDict) else tuple(parts))


def _named(name: Any, part: Any) -> tuple[str, Model]:
    check_kind("sequential", "a name", name, str)
    return name, _part(repr(name), part)


def _part(place: Any, part: Any) -> Model:
    if isinstance(part, Model):
        return part
    if isinstance(part, Layer):
        raise TypeError(
            f"sequential: part {place} is the layer {part.name}, which has no parameters yet; "
            f"call it first: {part.name}(key, ...)"
        )
    if not callable(part):
        raise TypeError(
            f"sequential: part {place} must be a model or a function, got a {type(part).__name__}"
        )
    check_plain("sequential", f"part {place}", part)
    part = as_value(part)
    name = getattr(part, "__name__", type(part).__name__)
    return Model(Layer(name, identity, Applied(part)), ())


def _unwrap(part: Model) -> Model | Function:
    return part.layer.apply.function if isinstance(part.layer.apply, Applied) else part


def _items(parts: Any) -> list[tuple[Any, Model]]:
    return list(parts.items() if isinstance(parts, dict) else enumerate(parts))


def _run(parts: Any, x: Any) -> Any:
    for place, part in _items(parts):
        with noting("in part {!r} of Sequential".format, place):
            x = part(x)
    return x


SEQUENTIAL = Sequential("Sequential", identity, _run)
