"""repeat: copies of a layer one after another, stacked and scanned."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import Signature, signature
from numbers import Integral
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .calls import is_given
from .checks import check_kind
from .flow import flowing
from .layer import Layer, takes_first_key
from .model import Model
from .remat import Remat, check_remat, rematerialized
from .signatures import Wrapping
from .training import observe


class Repeated(NamedTuple):
    """The copies, as one model whose leaves have them along their first axis."""

    each: Model


@dataclass(frozen=True)
class CreateRepeated(Wrapping):
    """Creates n models, a key each, as one model with stacked leaves."""

    layer: Layer
    n: int

    def __call__(self, *args: Any, **keywords: Any) -> Repeated:
        layer, n = self.layer, self.n
        if not takes_first_key(layer):
            one = jax.vmap(lambda _: layer(*args, **keywords), axis_size=n)
            return Repeated(one(None))
        key, args = (args[0], args[1:]) if args else (keywords.pop("key"), args)
        keys = jax.random.split(key, n)
        return Repeated(jax.vmap(lambda key: layer(key, *args, **keywords))(keys))

    def signature(self) -> Signature:
        return self.layer.signature()


@dataclass(frozen=True)
class ApplyRepeated(Wrapping):
    """The `apply` of `repeat`: a scan over the copies."""

    remat: Remat

    def __call__(self, params: Repeated, x: Any, *args: Any, **options: Any) -> Any:
        def copy(x: Any, model: Model) -> tuple[Any, None]:
            return model(x, *args, **options), None

        return self.scanned(copy, x, params.each)[0]

    def scanned(self, copy: Callable[[Any, Any], tuple[Any, Any]], x: Any, each: Any) -> Any:
        """A scan over the copies, whose insides the reverse pass computes again where asked."""

        def step(x: Any, this: Any) -> tuple[Any, Any]:
            y, more = copy(flowing(x), this)
            return unchanged(x, flowing(y)), more

        return jax.lax.scan(rematerialized("repeat", step, self.remat), x, each)

    def signature(self) -> Signature:
        return signature(_of_the_call)


@dataclass(frozen=True)
class TrainRepeated(Wrapping):
    """The `observe` of `repeat`: every copy is in training, with a key of its own."""

    apply: ApplyRepeated

    def __call__(
        self, params: Repeated, x: Any, *args: Any, key: Any = None, **options: Any
    ) -> tuple[Any, Repeated]:
        leaves, structure = jax.tree.flatten(params.each)
        keys = jax.random.split(key, len(leaves[0])) if is_given(key) else None
        places: list[int] = []

        def copy(x: Any, this: Any) -> tuple[Any, list[Any]]:
            model, one = this
            y, moved = observe(model, x, *args, key=key if one is None else one, **options)
            pairs = list(zip(jax.tree.leaves(model), jax.tree.leaves(moved), strict=True))
            places[:] = [i for i, (before, after) in enumerate(pairs) if after is not before]
            return y, [pairs[i][1] for i in places]

        x, moved = self.apply.scanned(copy, x, (params.each, keys))
        for place, leaf in zip(places, moved, strict=True):
            leaves[place] = leaf
        return x, Repeated(jax.tree.unflatten(structure, leaves))

    def signature(self) -> Signature:
        return signature(_in_training)


def _of_the_call(params: Repeated, x: Any, /, *args: Any) -> Any: ...
def _in_training(params: Repeated, x: Any, /, *args: Any, key: Any = None) -> Any: ...


def unchanged(x: Any, y: Any) -> Any:
    """The output y of a copy, which must have the structure, shapes and dtypes of its input x."""
    (took, before), (gave, after) = map(jax.tree.flatten, (x, y))
    kinds = [[(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in side] for side in (took, gave)]
    if before != after or kinds[0] != kinds[1]:
        told = [", ".join(f"{d}{[*s]}" for s, d in side) or "nothing" for side in kinds]
        raise TypeError(
            f"repeat: a copy must return what the next one takes, but it took {told[0]} and "
            f"returned {told[1]}"
        )
    return y


class Repeat(Layer):
    """The layer of `repeat`: its parts are the copies."""

    def parts(self, parameters: Repeated) -> Iterator[Model]:
        return (self.part(parameters, i) for i in range(self.create.n))

    def part(self, parameters: Repeated, index: Any) -> Model:
        if not isinstance(index, Integral):
            raise TypeError(f"{self.name}: a copy has a number, got a {type(index).__name__}")
        n = self.create.n
        if not -n <= index < n:
            raise IndexError(f"{self.name}: a copy must have a number below {n}, got {index}")
        return jax.tree.map(lambda leaf: leaf[index], parameters.each)


def repeat(layer: Layer, n: int, *, remat: Remat = False) -> Layer:
    """A layer of n copies of a layer, one after another, each with parameters of its own.

    `jax.vmap` creates the copies and `jax.lax.scan` runs them. Neither the time to compile nor the
    size of the program grows with n.

    Args:
        layer: A layer that returns what it takes, in shape and dtype.
        n: How many, at least 1.
        remat: What the reverse pass keeps of the inside of each copy; the rest it computes again.
            By name: `"everything"`, which is False; `"nothing"` but what goes from copy to copy,
            which is True; `"dots"`, the matrix products; `"dots_no_batch"`, those with weights,
            not those of attention; `"dots_on_host"`, the same in the host's memory, where a device
            has its own; `"names:hidden,gate"`, what `name` has marked so. Or a policy, as
            `jax.checkpoint` takes it.

    Returns:
        A layer that takes what `layer` takes: `repeat(Block, 12)(key, ...)` splits the key into
        n. The model's copies are `model[i]`. `model.each` holds all of them: its leaves have n
        entries along their first axis. Further arguments of a call go to every copy alike. In
        training each copy has a key of its own.

    Gradient:
        Autodiff through the scan.

    Raises:
        TypeError: If `layer` is not a layer, n not an integer, or remat no flag, name or function;
            or, when it is called, if a copy changes the shape or the dtype of x.
        ValueError: If n is below 1, or remat an unknown name; or, when it is called, if remat lists
            a label that marks nothing in a copy.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.repeat(pn.YatDense, 12)(jax.random.key(0), 8, 8)
        >>> model.each.kernel.shape
        (12, 8, 8)
        >>> x = y = jnp.ones((5, 8))
        >>> for copy in model:
        ...     y = copy(y)
        >>> bool(jnp.allclose(model(x), y, rtol=1e-5))
        True
    """
    cure = ", which has one set of parameters" if isinstance(layer, Model) else ""
    check_kind("repeat", "layer", layer, Layer, cure)
    if isinstance(n, bool) or not isinstance(n, Integral):
        raise TypeError(f"repeat: n must be an integer, got a {type(n).__name__}")
    if n < 1:
        raise ValueError(f"repeat: n must be at least 1, got {n}")
    check_remat("repeat", remat)
    apply = ApplyRepeated(remat)
    create, observe = CreateRepeated(layer, int(n)), TrainRepeated(apply)
    return Repeat(f"{n} {layer.name}", create, apply, observe, doc=layer.doc)
