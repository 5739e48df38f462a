"""Model: the one pytree class that all models share, and walks through the models of a tree."""

import copyreg
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace as with_fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn

import jax
import jax.export
from jax.tree_util import (
    keystr,
    register_pytree_with_keys,
    tree_flatten_with_path,
)

from .contents import closed, held, keys_of, opened
from .exporting import exportable, written
from .leaves import describe, marked, strong
from .paths import Keys, beyond, children, has_place, spelled
from .pickling import by_name
from .signatures import (
    Parameter,
    options_told,
)

if TYPE_CHECKING:
    from .layer import Layer

ELSEWHERE = {
    "eval": "a call, model(x), is inference; pn.training(f) makes a function that trains",
    "train": "pn.training(f) makes a function in which every model trains; model(x) is inference",
    "parameters": 'pn.select(model, "params") has them, as a tree',
    "state_dict": "pn.to_state_dict(model) has the arrays by name; pn.save(path, model) keeps them",
    "load_state_dict": "pn.from_state_dict(model, state) fills a copy of the model",
    "forward": "call the model: model(x)",
}
"""What other libraries call a method, and what to write instead."""

for kind in (jax.custom_jvp, jax.custom_vjp, type(jax.jit(by_name))):
    copyreg.pickle(kind, by_name)


@contextmanager
def noting(place: Callable[..., str], *args: Any) -> Iterator[None]:
    """Adds to an error that passes through a note of where it was: `place(*args)`."""
    try:
        yield
    except Exception as error:
        error.add_note(place(*args))
        raise


def made(layer: "Layer", params: Any, static: tuple[tuple[str, Any], ...] = ()) -> "Model":
    """A new model of parameters that were just made: their roles checked, their dtypes settled."""
    _check_roles(layer, params)
    return Model(layer, exportable(strong(params)), static)


def _check_roles(layer: "Layer", params: Any) -> None:
    for path, role in layer.roles:
        if not has_place(params, path):
            here = ", ".join(key.shown for key, _ in children(params)[0]) or "nothing"
            raise ValueError(
                f"{layer.name}: the role {role!r} is declared for {path!r}, which the parameters "
                f"do not have; they have {here}"
            )


class Model:
    """What a layer's `create` returned, with the layer and its static configuration: a pytree.

    There is one class for all models. Its leaves are the arrays of `params`; layer and static
    configuration are metadata, compared by value, so models of equal layers share one treedef and
    `jax.jit` compiles once for all of them. A model can be an argument, a result, a closure, a
    carry, and a parameter of another model. It is immutable: `replace` makes changed copies.

    `model(x)` is inference. Keyword options override the static configuration for one call, and
    may be traced arrays there. Fields of the parameters read as attributes, `model.kernel`, and
    items as items, `model[0]`, unless a model attribute has that name. A tree of labels or booleans
    of the structure of a model returns itself when called with a model, as optax does.

    Attributes:
        layer: The `Layer` that made it.
        params: What `create` returned.
        static: Pairs of option name and value, given when the model was made.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 3, 2)
        >>> model
        Linear  8 parameters
          .kernel  float32[3,2]
          .bias    float32[2]
        >>> model(jnp.ones((4, 3))).shape
        (4, 2)
    """

    # Calling a jitted function takes its models apart. So a model keeps the two tuples that are
    # then handed over, which `attrgetter` does without running Python. And parameters that are a
    # tuple, a list or a dictionary are no node of their own: what they hold, the model holds.
    __slots__ = ("__weakref__", "_children", "_metadata")

    def __init__(
        self, layer: "Layer", params: Any, static: tuple[tuple[str, Any], ...] = ()
    ) -> None:
        """Puts a layer, finished parameters and static configuration together.

        The roles that the layer declares for models in the parameters are handed on to these.
        """
        kind, inside = opened(_told(params, layer.roles) if layer.roles else params)
        _set_children(self, inside)
        _set_metadata(self, (layer, static, kind))

    @property
    def params(self) -> Any:
        """What `create` returned."""
        return closed(self._metadata[2], self._children)

    @property
    def layer(self) -> "Layer":
        """The layer that made the model."""
        return self._metadata[0]

    @property
    def static(self) -> tuple[tuple[str, Any], ...]:
        """Pairs of option name and value, given when the model was made."""
        return self._metadata[1]

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        """Refuses: a model is immutable."""
        raise AttributeError(
            f"a model is immutable, so {name!r} cannot be set; pn.replace(model, path, value) "
            "makes a changed copy"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles and copies as what it is made of."""
        return Model, (self.layer, self.params, self.static)

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Applies the model: inference, unless `training` of a function calls it."""
        if args and isinstance(args[0], Model) and marked(self):
            return self
        layer = self.layer
        names, anything = layer.taken
        static = {name: value for name, value in self.static if anything or name in names}
        if options:
            _refuse_changed(layer, static, options)
        try:
            with jax.named_scope(layer.name):
                return layer.apply(self.params, *args, **{**static, **options})
        except Exception as error:
            if told := options_told(layer.apply, options, error):
                error.add_note(told)
            error.add_note(signature(self))
            raise

    def __iter__(self) -> Iterator[Any]:
        """Yields the parts of a sequential model; of any other, its parameters, once."""
        return iter(self.layer.parts(self.params))

    def __getitem__(self, index: Any) -> Any:
        """A part of a sequential model by position, name or slice; else an item of `params`."""
        try:
            return self.layer.part(self.params, index)
        except (IndexError, KeyError, TypeError) as error:
            if self._metadata[2] is None or not isinstance(index, str | int):
                raise
            kind = IndexError if isinstance(error, IndexError) else KeyError
            raise kind(
                f"{self.layer.name} has no part {index!r}; it has {self._listed()}"
            ) from None

    def __getattr__(self, name: str) -> Any:
        """A field of the parameters."""
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        params = self.params
        if name in getattr(params, "_fields", ()) or isinstance(params, Model):
            return getattr(params, name)
        cure = ELSEWHERE.get(name, f"it has {self._listed()}")
        raise AttributeError(
            f"{self.layer.name} has no attribute or parameter {name!r}; {cure}", name=name, obj=self
        )

    def _listed(self) -> str:
        """How the children are read."""
        shown = [key.shown for key, _ in children(self)[0]]
        if shown == [""]:
            return "one array without a name: model.params"
        return ", ".join(shown) or "no parameters"

    def __dir__(self) -> list[str]:
        """The attributes of a model and the fields of its parameters."""
        params = self.params
        fields = dir(params) if isinstance(params, Model) else getattr(params, "_fields", ())
        return sorted({*super().__dir__(), *fields})

    def _ipython_key_completions_(self) -> list[str]:
        """The names that fit between the brackets of `model["..."]`."""
        params = self.params
        if isinstance(params, Model):
            return params._ipython_key_completions_()
        return [key for key in params if isinstance(key, str)] if isinstance(params, dict) else []

    def __repr__(self) -> str:
        """What it is, what it counts by role, and one line per part and leaf; never values."""
        from .description import drawn

        return drawn(self)

    def _repr_html_(self) -> str:
        """The same for notebooks, as a tree that unfolds."""
        from .notebooks import html

        return html(self)

    def __treescope_repr__(self, path: str | None, subtree_renderer: Any) -> Any:
        """The same for treescope, which shows arrays in its own way."""
        from .notebooks import treescope

        return treescope(self, path, subtree_renderer)


def _refuse_changed(layer: Any, static: dict[str, Any], options: dict[str, Any]) -> None:
    """Refuses, at a call, another value of an option that is settled when a model is made."""
    for name in layer.fixed.keys() & options.keys():
        made = static.get(name, layer.fixed[name])
        if made is not Parameter.empty and options[name] != made:
            raise ValueError(
                f"{layer.name}: {name} must be {made} as when the model was made, got "
                f"{options[name]!r}; make another model"
            )


_set_children = Model._children.__set__
_set_metadata = Model._metadata.__set__
_flatten = attrgetter("_children", "_metadata")


def _flatten_with_keys(model: Model) -> tuple[list[tuple[Any, Any]], tuple[Any, ...]]:
    keys = keys_of(model._metadata[2], len(model._children))
    return list(zip(keys, model._children, strict=True)), model._metadata


def _unflatten(metadata: tuple[Any, ...], children: Iterable[Any]) -> Model:
    model = object.__new__(Model)
    _set_children(model, held(metadata[2], children))
    _set_metadata(model, metadata)
    return model


register_pytree_with_keys(Model, _flatten_with_keys, _unflatten, _flatten)
jax.export.register_pytree_node_serialization(
    Model,
    serialized_name="pyneurons_yat.Model",
    serialize_auxdata=written,
    deserialize_auxdata=pickle.loads,
)


def branches(tree: Any) -> list[tuple[Keys, Any]]:
    """The leaves and the models right below a node, with the keys that lead there from it."""
    inside = isinstance(tree, Model) and tree._metadata[2] is None
    pairs = tree_flatten_with_path(tree, is_leaf=_outermost_below(tree))[0]
    return [(spelled(keys, inside), node) for keys, node in pairs]


def _outermost_below(tree: Any) -> Callable[[Any], bool]:
    return lambda node: isinstance(node, Model) and node is not tree


def _told(tree: Any, roles: tuple[tuple[str, str], ...]) -> Any:
    """The tree with models that know of the roles which are declared for them from outside."""
    if isinstance(tree, Model):
        known = tuple(dict.fromkeys([*roles, *tree.layer.roles]))
        if known == tree.layer.roles:
            return tree
        return Model(with_fields(tree.layer, roles=known), tree.params, tree.static)

    def below(keys: Keys, model: Model) -> Model:
        left = ((beyond(path, keys), role) for path, role in roles)
        return _told(model, tuple((path, role) for path, role in left if path is not None))

    return map_below(below, tree)


def models(tree: Any) -> Iterator[Model]:
    """Every model in a tree, the outer before what it holds."""
    if isinstance(tree, Model):
        yield tree
    for _, node in branches(tree):
        if isinstance(node, Model):
            yield from models(node)


def map_below(function: Callable[[Keys, Model], Any], tree: Any, keys: Keys = ()) -> Any:
    """The tree with `function(keys, model)` in the place of each model right below it.

    The keys lead to the model; some may lead to the tree itself.
    """
    nodes = [
        function((*keys, *more), node) if isinstance(node, Model) else node
        for more, node in branches(tree)
    ]
    return jax.tree.unflatten(jax.tree.structure(tree, is_leaf=_outermost_below(tree)), nodes)


def signature(model: Model) -> str:
    """Says on one line which model it is: its name and the shapes of its own parameters."""
    pairs, _ = tree_flatten_with_path(model.params, is_leaf=lambda node: isinstance(node, Model))
    own = [(keystr(path), leaf) for path, leaf in pairs if not isinstance(leaf, Model)]
    return f"in {model.layer.name}({', '.join(f'{path} {describe(leaf)}' for path, leaf in own)})"
