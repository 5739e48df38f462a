"""Layer and Model: a value that makes models, and the one pytree class that all models share."""

import copyreg
import inspect
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from dataclasses import replace as with_fields
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple, NoReturn

import jax
import jax.export
import jax.numpy as jnp
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
from .signatures import (
    Parameter,
    Wrapping,
    listed,
    options_in,
    options_told,
    route,
    taken_by,
    takes_key,
    with_options,
)

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


class _LayerSignature:
    """The signature of a layer, which the class does not have."""

    def __get__(self, layer: Any, owner: type) -> inspect.Signature:
        if layer is None:
            raise AttributeError("__signature__")
        return layer.signature()


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
        """Creates a model: each argument goes to `create` or `apply` or both, where it is named."""
        created, static = route(self, args, keywords)
        if len(args) == 1 and isinstance(args[0], Box):
            params = _unboxed(self, args[0], created.keys() - dict(static).keys())
        else:
            _check_call(self, args, created)
            with noting("while creating {}".format, self.name):
                params = self.create(*args, **created)
        return made(self, params, static)

    __signature__ = _LayerSignature()

    def signature(self) -> inspect.Signature:
        """What making a model takes: the arguments of `create`, and the options of the call."""
        options = [p for f in _functions(self) for p in options_in(f) if p.name != "key"]
        return with_options(taken_by(self.create).signature, options).replace(
            return_annotation=Model
        )

    @cached_property
    def options(self) -> tuple[frozenset[str], bool]:
        """The options that may be static configuration, and whether any may."""
        taken = [taken_by(function) for function in _functions(self)]
        names = frozenset().union(*(one.keywords for one in taken)) - {"key"}
        return names, any(one.anything for one in taken)

    @cached_property
    def taken(self) -> tuple[frozenset[str], bool]:
        """The options that `apply` takes, and whether it takes any."""
        taken = taken_by(self.apply)
        return taken.keywords, taken.anything

    def __getstate__(self) -> dict[str, Any]:
        """The fields: what is computed from them is computed again."""
        return {name: self.__dict__[name] for name in (*self.__dataclass_fields__, "__doc__")}

    def __deepcopy__(self, memo: dict[int, Any]) -> "Layer":
        """The layer itself: it is a value, and a copied function would not be equal."""
        return self

    def functions(self) -> tuple[Any, ...]:
        """What the layer is without the roles of its leaves."""
        return self.name, self.create, self.apply, self.observe

    def parts(self, parameters: Any) -> tuple[Any, ...]:
        """What iterating over a model of this layer yields."""
        return (parameters,)

    def part(self, parameters: Any, index: Any) -> Any:
        """What indexing a model of this layer yields."""
        return parameters[index]


def _functions(layer: Layer) -> list[Callable[..., Any]]:
    """The functions of a layer whose options may be static, those that it is built around too."""
    found = [layer.apply, *([] if layer.observe is None else [layer.observe])]
    inner = _functions(layer.apply.layer) if isinstance(layer.apply, Around) else []
    return [*found, *inner]


class Parametrization(Layer):
    """The layer of a model that stands in the place of an array, its value."""


@dataclass(frozen=True)
class Around(Wrapping):
    """The `apply` of a layer that is built around another: it takes what that layer takes."""

    layer: Layer

    def signature(self) -> inspect.Signature:
        """That of the inner layer's `apply`; it takes a key if something in it takes one."""
        inner = taken_by(self.layer.apply).signature
        return with_options(inner, [KEY] if any(map(takes_key, self.drawing())) else [])

    def drawing(self) -> tuple[Callable[..., Any], ...]:
        """The functions beside the inner layer that may take a key."""
        return ()

    def in_training(self, layer: Callable[..., Layer], stepping: Callable[..., Any]) -> "Around":
        """The same, built around the inner layer in training."""
        return with_fields(self, layer=layer(self.layer))


KEY = Parameter("key", Parameter.KEYWORD_ONLY, default=None)


def _check_call(layer: Layer, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    """Refuses arguments that `create` does not take, and what is no key where a key is wanted."""
    signature, wants_key = taken_by(layer.create).signature, takes_first_key(layer)
    told = f"the call is {layer.name}{_brief(layer)}"
    try:
        given = signature.bind(*args, **keywords).arguments
    except TypeError as error:
        if args and is_key(args[0]) and not wants_key and signature.parameters:
            told = f"it draws nothing, so it takes no key; {told}"
        elif args and wants_key and not is_key(args[0]):
            told = f"the first argument is a key, such as jax.random.key(0); {told}"
        raise TypeError(f"{layer.name}: {error}; {told}") from None
    if wants_key and not is_key(given["key"]):
        came = given["key"]
        came = repr(came) if isinstance(came, int | float) else f"a {type(came).__name__}"
        raise TypeError(
            f"{layer.name}: key must be a PRNG key such as jax.random.key(0), got {came}; {told}"
        )


def takes_first_key(layer: Layer) -> bool:
    """Whether the first argument of a layer is a PRNG key."""
    return next(iter(taken_by(layer.create).signature.parameters), "") == "key"


def is_key(value: Any) -> bool:
    """Whether a value is a PRNG key, or several, of either kind."""
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return False
    return jnp.issubdtype(dtype, jax.dtypes.prng_key) or dtype == jnp.uint32


def _brief(layer: Layer) -> str:
    """The names of the arguments of a layer's call."""
    stars = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}
    parameters = layer.signature().parameters.values()
    named = [stars.get(p.kind, "") + p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    options = [f"{p.name}=..." for p in parameters if p.kind is p.KEYWORD_ONLY]
    return f"({', '.join([*named, *options])})"


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
        """Applies the model: inference, unless `training` of a function calls it."""
        if args and isinstance(args[0], Model) and marked(self):
            return self
        layer = self.layer
        names, anything = layer.taken
        static = {name: value for name, value in self.static if anything or name in names}
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
        layer = tree.layer if known == tree.layer.roles else with_fields(tree.layer, roles=known)
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


def map_below(function: Callable[[str, Model], Any], tree: Any, path: str = "") -> Any:
    """The tree with `function(path, model)` in the place of each model right below it."""
    nodes = [
        function(path + text(keys), node) if isinstance(node, Model) else node
        for keys, node in branches(tree)
    ]
    return rebuilt(tree, nodes)


def signature(model: Model) -> str:
    """Says on one line which model it is: its name and the shapes of its own parameters."""
    pairs, _ = tree_flatten_with_path(model.params, is_leaf=lambda node: isinstance(node, Model))
    own = [(keystr(path), leaf) for path, leaf in pairs if not isinstance(leaf, Model)]
    return f"in {model.layer.name}({', '.join(f'{path} {describe(leaf)}' for path, leaf in own)})"
