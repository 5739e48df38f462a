"""Compiled programs of a recipe, for as long as what the recipe names is alive.

A program that JAX keeps for a static argument lives as long as the process, and with it whatever a
loss or an optimizer closes over, data sets too. Here a program knows its functions by weak
references and goes with the first of them. Equal recipes share one.
"""

import functools
import types
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from .placing import seen_by_ops
from .recipe import Recipe

LARGEST_NUMBER = 256
"""So many programs are kept; some know values that nothing else refers to."""

_programs: dict[tuple[Any, ...], Any] = {}


@dataclass(frozen=True)
class Held:
    """What is equal to others by value, such as a number: it is held, as no death would tell."""

    value: Any

    def __call__(self) -> Any:
        return self.value


def compiled(
    function: Callable[..., Any], recipe: Recipe, *static: str, donate: bool = False
) -> Any:
    """The compiled `function(recipe, *args, **static)`, to be called with what follows the recipe.

    Args:
        function: A pure function.
        recipe: What it is compiled for. Whoever calls the program must hold it.
        *static: Names of keyword arguments that are static.
        donate: Whether what follows the recipe may be written over.
    """
    parts, structure = jax.tree.flatten(recipe, is_leaf=lambda part: not isinstance(part, tuple))
    handles = tuple(map(_handle, parts))
    key = (function, donate, structure, *handles)
    if key not in _programs:
        while len(_programs) >= LARGEST_NUMBER:
            del _programs[next(iter(_programs))]

        @functools.wraps(function)
        def program(*args: Any, **options: Any) -> Any:
            again = jax.tree.unflatten(structure, [handle() for handle in handles])
            with seen_by_ops(again.place):
                return function(again, *args, **options)

        given = 0 if donate else ()
        _programs[key] = jax.jit(program, static_argnames=static, donate_argnums=given)
    return _programs[key]


def _handle(part: Any) -> Callable[[], Any]:
    """A function that returns the part while it lives; equal for equal parts."""
    if isinstance(part, types.MethodType):
        return weakref.WeakMethod(part, _forget)
    if type(part).__eq__ is object.__eq__ and type(part).__weakrefoffset__:
        return weakref.ref(part, _forget)
    return Held(part)


def _forget(_: Any) -> None:
    """Drops the programs of which a part has died."""
    for key in list(_programs):
        if any(handle() is None for handle in key[3:]):
            _programs.pop(key, None)
