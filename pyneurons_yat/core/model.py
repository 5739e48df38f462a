"""Layer and Model: a value that makes models, and the one pytree class that all models share."""

import copyreg
import inspect
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, NamedTuple, NoReturn

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
from .paths import Key, beyond, children, has_place, spelled, text
from .pickling import by_name
from .signatures import Wrapping, keywords_of, listed, naming_options, route, together

ELSEWHERE = {
    "eval": "a call, model(x), is inference; pn.training(f) makes a function that trains",
    "train": "pn.training(f) makes a function in which every model trains; model(x) is inference",
    "parameters": 'pn.select(model, "params") has them, as a tree',
    "state_dict": "a model is a tree of arrays: jax.tree.leaves(model), pn.save(path, model)",
    "forward": "call the model: model(x)",
}
"""What other libraries call a method, and what to write instead."""

for kind in (jax.custom_jvp, jax.custom_vjp, type(jax.jit(by_name))):
    copyreg.pickle(kind, by_name)


class Box(NamedTuple):
    """A pytree that holds one value; given to a layer, it stands for finished parameters.

    Example:
        >>> import pyneurons_yat as pn
        >>> value, = pn.Box(3)
        >>> value
        3
        >>> neuron = pn.Neuron(pn.Box(([[2.0]], [[1.0]])))  # no key: nothing is drawn
    """

    value: Any


@dataclass(frozen=True)
class Layer(Wrapping):
    """A name and the pure functions that make and run one kind of model.

    A layer is a value: frozen, hashable, equal to any layer of the same name and functions, and
    picklable when its functions are. Calling it makes a `Model`. `bind` builds layers from
    functions; `compose` and `reparam` build them from other layers.

    Attributes:
        name: What errors, profiles and printed models call it.
        create: `create(*args, **keywords) -> parameters`, any pytree of arrays and models.
        apply: `apply(parameters, x, **options) -> y`, inference: pure and deterministic.
        observe: `observe(parameters, x, **options) -> (y, parameters)`, the training-time call, or
            `None` where training and inference do not differ. It may take a `key`.
        roles: Pairs of a path below the parameters and the role of what is there.
        doc: What `help` shows for it; by default the docstring of `create`.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.YatDense(jax.random.key(0), 3, 2, use_bias=False, epsilon=1e-3)
        >>> model.static  # what `apply` takes is kept beside the parameters
        (('epsilon', 0.001),)
    """

    name: str
    create: Callable[..., Any] = field(repr=False)
    apply: Callable[..., Any] = field(repr=False)
    observe: Callable[..., Any] | None = field(default=None, repr=False)
    roles: tuple[tuple[str, str], ...] = ()
    doc: str | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Takes over the docstring."""
        object.__setattr__(self, "__doc__", self.doc or inspect.getdoc(self.create))

    def __call__(self, *args: Any, **keywords: Any) -> "Model":
        """Creates a model: each keyword goes to `create` or `apply` or both, where it is named."""
        created, static = route(self, keywords)
        if len(args) == 1 and isinstance(args[0], Box):
            params = _unboxed(self, args[0], created.keys() - dict(static).keys())
        else:
            with noting("while creating {}".format, self.name):
                params = self.create(*args, **created)
        return made(self, params, static)

    def keywords(self) -> tuple[set[str], bool]:
        """The keywords of all its functions together."""
        return together(self.create, self.apply, self.observe)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Layer":
        """The layer itself: it is a value, and a copied function would not be equal."""
        return self

    def functions(self) -> tuple[Any, ...]:
        """What the layer is without the roles of its leaves."""
        return self.name, self.create, self.apply, self.observe

    def defines_observe(self) -> bool:
        """Whether training differs from inference in the layer itself, not in what it holds."""
        if isinstance(self.observe, Around):
            return self.observe.differs()
        return self.observe is not None

    def parts(self, parameters: Any) -> tuple[Any, ...]:
        """What iterating over a model of this layer yields."""
        return (parameters,)

    def part(self, parameters: Any, index: Any) -> Any:
        """What indexing a model of this layer yields."""
        return parameters[index]


@dataclass(frozen=True)
class Around(Wrapping):
    """A function of a layer that is built around another layer and takes what that layer takes."""

    layer: Layer

    def keywords(self) -> tuple[set[str], bool]:
        """The keywords of the inner layer's `apply`."""
        return keywords_of(self.layer.apply)

    def differs(self) -> bool:
        """Whether, as an `observe`, it does more than pass the call on."""
        return self.layer.defines_observe()


class AroundObserve(Around):
    """An `observe` built around another layer: it takes a key beside what that layer takes."""

    def keywords(self) -> tuple[set[str], bool]:
        """The keywords of the inner layer's training-time call, and `key`."""
        names, takes_any = keywords_of(self.layer.observe or self.layer.apply)
        return names | {"key"}, takes_any


def _unboxed(layer: Layer, box: Box, unused: set[str]) -> Any:
    if unused:
        raise TypeError(
            f"{layer.name}: a Box holds finished parameters, which {listed(unused)} cannot shape"
        )
    return box.value


def made(layer: Layer, params: Any, static: tuple[tuple[str, Any], ...] = ()) -> "Model":
    """A new model of parameters that were just made: their roles checked, their dtypes settled."""
    _check_roles(layer, params)
    return Model(layer, exportable(strong(params)), static)


def _check_roles(layer: Layer, params: Any) -> None:
    for path, role in layer.roles:
        if not has_place(params, path):
            here = ", ".join(key.shown for key, _ in children(params)[0]) or "nothing"
            raise ValueError(
                f"{layer.name}: the role {role!r} is declared for {path!r}, which the parameters "
                f"do not have; they have {here}"
            )


@contextmanager
def noting(place: Callable[..., str], *args: Any) -> Iterator[None]:
    """Adds to an error that passes through a note of where it was: `place(*args)`."""
    try:
        yield
    except Exception as error:
        error.add_note(place(*args))
        raise


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

    def __init__(self, layer: Layer, params: Any, static: tuple[tuple[str, Any], ...] = ()) -> None:
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
    def layer(self) -> Layer:
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
        """Applies the model: inference, without state or randomness of its own."""
        if args and isinstance(args[0], Model) and marked(self):
            return self
        layer = self.layer
        given = {**static_for(layer.apply, self), **options}
        place = noting(signature, self)
        with jax.named_scope(layer.name), place, naming_options(layer.apply, options):
            return layer.apply(self.params, *args, **given)

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
        return ", ".join(key.shown for key, _ in children(self)[0]) or "no parameters"

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


def static_for(function: Callable[..., Any], model: Model) -> dict[str, Any]:
    """The static configuration of a model that one of its layer's functions takes."""
    if model.layer.observe is None:
        return dict(model.static)
    names, anything = keywords_of(function)
    return {name: value for name, value in model.static if anything or name in names}


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


def branches(tree: Any) -> list[tuple[tuple[Key, ...], Any]]:
    """The leaves and the models right below a node, with the keys that lead there from it."""
    inside = isinstance(tree, Model) and tree._metadata[2] is None
    pairs = tree_flatten_with_path(tree, is_leaf=_outermost_below(tree))[0]
    return [(spelled(keys, inside), node) for keys, node in pairs]


def rebuilt(tree: Any, nodes: Iterable[Any]) -> Any:
    """The tree with other nodes in the place of its `branches`."""
    return jax.tree.unflatten(jax.tree.structure(tree, is_leaf=_outermost_below(tree)), nodes)


def _outermost_below(tree: Any) -> Callable[[Any], bool]:
    return lambda node: isinstance(node, Model) and node is not tree


def _told(tree: Any, roles: tuple[tuple[str, str], ...]) -> Any:
    """The tree with models that know of the roles which are declared for them from outside."""
    if isinstance(tree, Model):
        known = tuple(dict.fromkeys([*roles, *tree.layer.roles]))
        layer = tree.layer if known == tree.layer.roles else replace(tree.layer, roles=known)
        return tree if layer is tree.layer else Model(layer, tree.params, tree.static)
    nodes = [
        _told(
            node,
            tuple((left, role) for path, role in roles if (left := beyond(path, keys)) is not None),
        )
        if isinstance(node, Model)
        else node
        for keys, node in branches(tree)
    ]
    return rebuilt(tree, nodes)


def models(tree: Any, path: str = "") -> Iterator[tuple[str, Model]]:
    """Every model in a tree with its path, the outer before what it holds."""
    if isinstance(tree, Model):
        yield path, tree
    for keys, node in branches(tree):
        if isinstance(node, Model):
            yield from models(node, path + text(keys))


def signature(model: Model) -> str:
    """Says on one line which model it is: its name and the shapes of its own parameters."""
    pairs, _ = tree_flatten_with_path(model.params, is_leaf=lambda node: isinstance(node, Model))
    own = [(keystr(path), leaf) for path, leaf in pairs if not isinstance(leaf, Model)]
    return f"in {model.layer.name}({', '.join(f'{path} {describe(leaf)}' for path, leaf in own)})"
