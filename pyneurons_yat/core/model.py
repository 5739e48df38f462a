"""Layer and Model: a value that makes models, and the one pytree class that all models share."""

import copyreg
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from dataclasses import replace as with_fields
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple, NoReturn

import jax
import jax.numpy as jnp
from jax.tree_util import (
    GetAttrKey,
    SequenceKey,
    keystr,
    register_pytree_with_keys,
    tree_flatten_with_path,
)

from .paths import children, has_place
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
        _check_roles(self, params)
        return Model(self, params, static)

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


def _check_roles(layer: Layer, params: Any) -> None:
    for path, role in layer.roles:
        if not has_place(params, path):
            here = ", ".join(key for key, _ in children(params)[0]) or "nothing"
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
    items as items, `model[0]`, unless a model attribute has that name.

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
    # tuple are not a node of their own: their fields are the children of the model.
    __slots__ = ("__weakref__", "_children", "_metadata")

    def __init__(self, layer: Layer, params: Any, static: tuple[tuple[str, Any], ...] = ()) -> None:
        """Puts a layer, finished parameters and static configuration together."""
        kind = type(params) if _is_plain_tuple(params) else None
        _set_children(self, (params,) if kind is None else params)
        _set_metadata(self, (layer, static, kind))

    @property
    def params(self) -> Any:
        """What `create` returned."""
        return self._children[0] if self._metadata[2] is None else self._children

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
        return self.layer.part(self.params, index)

    def __getattr__(self, name: str) -> Any:
        """A field of the parameters."""
        params = object.__getattribute__(self, "params")
        if not name.startswith("_") and (
            name in getattr(params, "_fields", ()) or isinstance(params, Model)
        ):
            return getattr(params, name)
        raise AttributeError(f"{self.layer.name} has no attribute or parameter {name!r}")

    def __repr__(self) -> str:
        """The name, the number of parameters, and one line per leaf; never values."""
        lines = [(keystr(path), describe(leaf)) for path, leaf in tree_flatten_with_path(self)[0]]
        width = max((len(path) for path, _ in lines), default=0)
        static = ", ".join(f"{name}={value!r}" for name, value in self.static)
        head = f"{self.layer.name}{f'({static})' if static else ''}  {count(self):,} parameters"
        return "\n".join([head, *(f"  {path:{width}}  {leaf}" for path, leaf in lines)])


@dataclass(frozen=True)
class _Inside:
    """The key of parameters that are no tuple, which adds nothing to a path."""

    def __str__(self) -> str:
        return ""


def _is_plain_tuple(params: Any) -> bool:
    """Whether parameters are a tuple or a named tuple, and not a tuple of a class of its own."""
    return type(params) is tuple or (isinstance(params, tuple) and hasattr(params, "_fields"))


_set_children = Model._children.__set__
_set_metadata = Model._metadata.__set__
_flatten = attrgetter("_children", "_metadata")


def _flatten_with_keys(model: Model) -> tuple[list[tuple[Any, Any]], tuple[Any, ...]]:
    keys = _keys(model._metadata[2], len(model._children))
    return list(zip(keys, model._children, strict=True)), model._metadata


def _keys(kind: Any, size: int) -> list[Any]:
    if kind is None:
        return [_Inside()]
    return list(map(SequenceKey, range(size)) if kind is tuple else map(GetAttrKey, kind._fields))


def _unflatten(metadata: tuple[Any, ...], children: Iterable[Any]) -> Model:
    model = object.__new__(Model)
    kind = metadata[2]
    if kind is None or kind is tuple:
        _set_children(model, tuple(children))
    else:  # the `__new__` of a named tuple runs Python, which every compiled call would pay for
        _set_children(model, tuple.__new__(kind, children))
    _set_metadata(model, metadata)
    return model


register_pytree_with_keys(Model, _flatten_with_keys, _unflatten, _flatten)


def models(tree: Any, path: str = "") -> Iterator[tuple[str, Model]]:
    """Every model in a tree with its path, the outer before what it holds."""
    if isinstance(tree, Model):
        yield path, tree
    pairs, _ = tree_flatten_with_path(
        tree, is_leaf=lambda node: isinstance(node, Model) and node is not tree
    )
    for keys, node in pairs:
        if isinstance(node, Model):
            yield from models(node, path + keystr(keys))


def map_models(function: Callable[[str, Model], Any], tree: Any, path: str = "") -> Any:
    """The tree with `function(path, model)` in the place of each of its outermost models."""
    pairs, structure = tree_flatten_with_path(tree, is_leaf=lambda node: isinstance(node, Model))
    nodes = [
        function(path + keystr(keys), node) if isinstance(node, Model) else node
        for keys, node in pairs
    ]
    return jax.tree.unflatten(structure, nodes)


def count(tree: Any) -> int:
    """The number of array entries in a tree, all roles together.

    Args:
        tree: A model or any pytree. To count one role, select it first:
            `count(select(model, "params"))`.

    Returns:
        A Python integer.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> pn.count(pn.Linear(jax.random.key(0), 64, 10))
        650
    """
    return sum(int(getattr(leaf, "size", 1)) for leaf in jax.tree.leaves(tree))


def describe(leaf: Any) -> str:
    """A leaf's dtype and shape, such as `float32[3,2]`; a leaf that is no array, by its type."""
    if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype"):
        return type(leaf).__name__
    return f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"


def signature(model: Model) -> str:
    """Says on one line which model it is: its name and the shapes of its own parameters."""
    pairs, _ = tree_flatten_with_path(model.params, is_leaf=lambda node: isinstance(node, Model))
    own = [(keystr(path), leaf) for path, leaf in pairs if not isinstance(leaf, Model)]
    return f"in {model.layer.name}({', '.join(f'{path} {describe(leaf)}' for path, leaf in own)})"
