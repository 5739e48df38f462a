"""Run: one call of a function in training, and how its models are brought into training.

Each model that draws or moves is replaced by one of the same leaves whose layer knows the run. What
an `observe` moves lies in mutable arrays of JAX, so that it moves inside `jit`, `scan` and `cond`
as well, and so do the keys.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as with_fields
from functools import partial
from inspect import Signature
from typing import Any

import jax
import jax.numpy as jnp

from .calls import Missing, is_given, rests
from .filters import leaf_places
from .freezing import FROZEN, frozen_models
from .layer import Around, Layer, Parametrization, layers
from .model import Model, map_below, models
from .paths import Keys, text, within
from .signatures import Wrapping, shown, taken_by, takes_key

Function = Callable[..., Any]


def is_array(leaf: Any) -> bool:
    """Whether a leaf is an array or a number."""
    return hasattr(leaf, "dtype") or isinstance(leaf, bool | int | float | complex)


class Run:
    """One call of a function in training: what its models hold, and the keys that they draw.

    Attributes:
        state: The values that may move, by place: a leaf by its path, and after the path of a part
            that draws and a colon, the data of the key that it draws from.
        refs: While the function runs, a ref for each of them.
        armed: The tree with its models in training.
    """

    def __init__(self, tree: Any, key: Any) -> None:
        raw = is_given(key) and not jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        self.key = jax.random.wrap_key_data(key) if raw else key
        self.impl = jax.random.key_impl(self.key) if is_given(key) else None
        self.state: dict[str, jax.Array] = {}
        self.refs: dict[str, Any] = {}
        self.written: set[str] = set()
        self.tree = tree = disarmed(tree)
        self.leaves = {at.path: (at.node, at.role) for at in leaf_places(tree)}
        self.frozen = frozen_models(tree)
        self.armed = mapped(self._armed, tree)

    def _armed(self, keys: Keys, model: Model) -> Model:
        """The model, and those that it holds, in training."""
        path, before = text(keys), model.layer
        owned = isinstance(before, Parametrization) and model is not self.tree
        if path in self.frozen or rests(before) or owned:  # a transform calls what it owns
            return model
        layer = self._layer(path, before)
        if takes_key(layer.apply) and not isinstance(layer.apply, Trained):
            apply = self._trained(path, _drawing(layer), layer.apply, False)
            layer = with_fields(layer, apply=apply)
        if layer is not before:
            layer.__dict__["before"] = self, path, before  # no field: equality does not see it
        if not _says_all(before):
            model = map_below(self._armed, model, keys)
        return Model(layer, model.params, model.static)

    def _layer(self, path: str, layer: Layer) -> Layer:
        """The layer with what moves in training, itself or one that it is built around.

        An `observe` says all that happens in training: what it calls is left as it is.
        """
        if layer.observe is not None:
            self._may_move(path, all_roles=not isinstance(layer.observe, Wrapping))
            apply = self._trained(path, layer.name, layer.observe, True)
        elif isinstance(layer.apply, Around):
            apply = layer.apply.in_training(
                partial(self._layer, path), partial(self._stepping, path, layer.name)
            )
        else:
            return layer
        return layer if apply is layer.apply else with_fields(layer, apply=apply, observe=None)

    def _stepping(self, path: str, name: str, function: Function) -> "Trained":
        """A function `params -> (value, params)` as one that returns the value, and moves."""
        self._may_move(path, all_roles=False)
        return self._trained(path, name, function, True)

    def _trained(self, path: str, name: str, function: Function, moves: bool) -> "Trained":
        draws = takes_key(function)
        if draws and is_given(self.key):
            own = jax.random.fold_in(self.key, zlib.crc32(path.encode()))
            self.state[path + ":"] = jax.random.key_data(own)
        return Trained(self, path, name, function, moves, draws)

    def _may_move(self, path: str, all_roles: bool) -> None:
        for place, (leaf, role) in self.leaves.items():
            movable = role != FROZEN and (all_roles or role != "params")
            if movable and within(place, path) and is_array(leaf):
                value = _stored(leaf)
                self.state[place] = jnp.asarray(value, value.dtype)  # no weak type

    # ------------------------------------------------------------------- while the function runs

    def own_key(self) -> Any:
        """A key for the function itself."""
        return jax.random.fold_in(self.key, zlib.crc32(b"f")) if is_given(self.key) else None

    def drawn(self, path: str, name: str) -> Any:
        """A fresh key for a part."""
        if isinstance(self.key, Missing):
            return self.key
        if self.key is None:
            return Missing(f"{name} at {path!r}" if path else name)
        ref = self.refs[path + ":"]
        kept, drawn = jax.random.split(jax.random.wrap_key_data(ref[...], impl=self.impl))
        ref[...] = jax.random.key_data(kept)
        return drawn

    def moved_by(self, part: "Trained", params: Any, function: Function) -> Any:
        """What a function `params -> (y, params)` returns; what it moves is noted."""
        given, structure = jax.tree.flatten(params)
        places = [part.path + at.path for at in leaf_places(params)]
        pairs = zip(places, given, strict=True)
        before = [self._current(part.name, place, leaf) for place, leaf in pairs]
        y, after = _pair(part.name, function(jax.tree.unflatten(structure, before)))
        leaves, kept = jax.tree.flatten(after)
        if kept != structure:
            raise TypeError(
                f"{part.name}: observe must return parameters of the structure that it took, "
                f"{structure}, got {kept}"
            )
        for place, old, new in zip(places, before, leaves, strict=True):
            if new is not old:
                self._write(part.name, place, old, new)
        return y

    def current(self, place: str, leaf: Any) -> Any:
        """The value of a leaf as it is now, where it may have moved."""
        role = self.leaves[place][1] if place in self.leaves else "params"
        moved = place in self.refs and (role != "params" or place in self.written)
        return _restored(self.refs[place][...], leaf) if moved else leaf

    def _current(self, name: str, place: str, leaf: Any) -> Any:
        if place not in self.refs or self.leaves[place][1] == "params":
            return leaf
        value = _restored(self.refs[place][...], leaf)
        if jnp.shape(leaf) != value.shape:
            raise ValueError(
                f"{name}: {place} must have shape {value.shape} as in the model that is trained, "
                f"got {jnp.shape(leaf)}: it is called inside a vmap or scan over stacked models; "
                "call training inside the vmap, or stack layers by repeat"
            )
        return value

    def _write(self, name: str, place: str, old: Any, new: Any) -> None:
        ref, (own, role) = self.refs.get(place), self.leaves.get(place, (None, "params"))
        if not any(within(leaf, place) for leaf in self.leaves):
            raise TypeError(
                f"{name}: {place} moved in training, but a transform has put it there, so it "
                "cannot go back; keep the structure of the parameters, or transform an inner model"
            )
        if ref is None or (role == "params" and old is not own):
            return  # frozen, or computed from the parameters, as by a transform
        new = _stored(new)
        same = new.dtype == ref.dtype or jnp.result_type(ref.dtype, new) == ref.dtype  # weak types
        if not same or new.shape != ref.shape:
            raise TypeError(
                f"{name}: observe must keep shape and dtype of {place}, "
                f"{ref.dtype}{[*ref.shape]}, got {new.dtype}{[*new.shape]}"
            )
        self.written.add(place)
        _store(name, ref, new.astype(ref.dtype))

    # ------------------------------------------------------------------------------- afterwards

    def moved(self, values: list[Any]) -> Any:
        """The tree with the values of what moved; its other leaves are the same objects."""
        after = dict(zip(self.state, values, strict=True))
        places = [(at.path, at.node) for at in leaf_places(self.tree)]
        leaves = [
            _restored(after[place], leaf) if place in self.written else leaf
            for place, leaf in places
        ]
        return jax.tree.unflatten(jax.tree.structure(self.tree), leaves)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key)


def _stored(leaf: Any) -> jax.Array:
    """A leaf as a ref holds it: of a key its data, as a ref of keys counts as drawn from."""
    return jax.random.key_data(leaf) if _is_key(leaf) else jnp.asarray(leaf)


def _restored(value: jax.Array, like: Any) -> jax.Array:
    """What a ref holds as a leaf of the same kind as another."""
    return (
        jax.random.wrap_key_data(value, impl=jax.random.key_impl(like)) if _is_key(like) else value
    )


def mapped(function: Callable[[Keys, Model], Any], tree: Any) -> Any:
    """The tree with `function(keys, model)` in the place of each of its outermost models."""
    return function((), tree) if isinstance(tree, Model) else map_below(function, tree)


def _drawing(layer: Layer) -> str:
    """What draws in a layer: itself, or functions around it."""
    functions = layer.apply.drawing() if isinstance(layer.apply, Around) else ()
    names = [shown(f) for f in functions if takes_key(f)]
    return f"{', '.join(names)} in {layer.name}" if names else layer.name


def _says_all(layer: Layer) -> bool:
    """Whether a layer, or one that it is built around, has an `observe`."""
    return any(one.observe is not None for one in layers(layer))


def _pair(name: str, result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(
            f"{name}: observe must return (y, parameters), got a {type(result).__name__}"
        )
    return result


def _store(name: str, ref: Any, value: jax.Array) -> None:
    """Writes a ref; inside of a gradient that the function takes itself, without one."""
    try:
        ref[...] = value
    except Exception as error:
        if "differentiated value" in str(error):
            ref[...] = jax.lax.stop_gradient(value)
        elif "vmapped value" in str(error):
            raise ValueError(
                f"{name}: inside a vmap over part of the data it cannot move, as what it holds "
                "would differ from entry to entry; call it on the whole batch, or take training "
                "into the vmap: jax.vmap(training(f)), or let it rest: inference(part)"
            ) from error
        else:
            raise


@dataclass(frozen=True, eq=False)
class Trained(Wrapping):
    """A function of a part's parameters as it is called in training.

    Attributes:
        run: The call of `training` that it belongs to.
        path: Where the part is.
        name: What errors call it.
        function: `function(params, ...)`, which returns y, or `(y, params)` if it moves.
        moves: Whether it moves.
        draws: Whether it names a keyword `key`.
    """

    run: Run
    path: str
    name: str
    function: Function
    moves: bool
    draws: bool

    def __call__(self, params: Any, *args: Any, **options: Any) -> Any:
        if self.draws and options.get("key") is None:
            lone = self.moves and self.run.key is None  # a hand-written observe may do without
            options["key"] = None if lone else self.run.drawn(self.path, self.name)
        if not self.moves:
            return self.function(params, *args, **options)
        call = self.function
        return self.run.moved_by(self, params, lambda params: call(params, *args, **options))

    def signature(self) -> Signature:
        return taken_by(self.function).signature


def in_training(tree: Any) -> bool:
    """Whether a tree holds a model that draws or moves, because a `training` surrounds it."""
    return any("before" in model.layer.__dict__ for model in models(tree))


def disarmed(tree: Any) -> Any:
    """The tree with its models as they are outside of training, holding what moved until now."""

    def plain(_: Keys, model: Model) -> Model:
        run, path, layer = model.layer.__dict__.get("before", (None, "", model.layer))
        model = map_below(plain, model)
        if run is not None:
            leaves = [run.current(path + at.path, at.node) for at in leaf_places(model)]
            model = jax.tree.unflatten(jax.tree.structure(model), leaves)
        return Model(layer, model.params, model.static)

    return mapped(plain, tree)
