"""What lies inside of jaxprs."""

from collections.abc import Iterator
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr


def inner_jaxprs(value: Any) -> Iterator[Any]:
    """The jaxprs in one parameter of an equation."""
    for one in value if isinstance(value, tuple | list) else (value,):
        if isinstance(one, ClosedJaxpr | Jaxpr):
            yield getattr(one, "jaxpr", one)


def labels(jaxpr: Jaxpr) -> Iterator[str]:
    """The labels of all values that are marked in a jaxpr, as `name` marks them."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "name":
            yield str(equation.params["name"])
        for value in equation.params.values():
            for inner in inner_jaxprs(value):
                yield from labels(inner)
