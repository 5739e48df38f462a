"""repeat: copies of a layer one after another, stacked and scanned."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .calls import observe_inputs
from .model import Around, Layer, Model
from .signatures import Wrapping, positionals_of

Policy = Callable[..., bool]


class Repeated(NamedTuple):
    """The copies, as one model whose leaves have them along their first axis."""

    each: Model


@dataclass(frozen=True)
class CreateRepeated(Wrapping):
    """Creates n models, a key each, as one model with stacked leaves."""

    layer: Layer
    n: int

    def __call__(self, *args: Any, **keywords: Any) -> Repeated:
        first, *_ = [*positionals_of(self.layer.create), ""]
        if first == "key" and args:
            keys = jax.random.split(args[0], self.n)
            return Repeated(jax.vmap(lambda key: self.layer(key, *args[1:], **keywords))(keys))
        if first == "key" and "key" in keywords:
            return self(keywords.pop("key"), *args, **keywords)
        return Repeated(jax.vmap(lambda _: self.layer(*args, **keywords), axis_size=self.n)(None))

    def keywords(self) -> tuple[set[str], bool]:
        return set(), True

    def positionals(self) -> list[str]:
        return positionals_of(self.layer.create)


@dataclass(frozen=True)
class ApplyRepeated(Around):
    """Inference of `repeat`: a scan over the copies."""

    remat: bool | Policy

    def __call__(self, params: Repeated, x: Any, *args: Any, **options: Any) -> Any:
        def step(x: Any, model: Model) -> tuple[Any, None]:
            return unchanged(x, model(x, *args, **options)), None

        return jax.lax.scan(self.checkpointed(step), x, params.each)[0]

    def checkpointed(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """The step, whose values the reverse pass computes again where that is asked for."""
        if self.remat is False:
            return step
        policy = None if self.remat is True else self.remat
        return jax.checkpoint(step, policy=policy, prevent_cse=False)

    def keywords(self) -> tuple[set[str], bool]:
        return set(), False


@dataclass(frozen=True)
class ObserveRepeated(ApplyRepeated):
    """Training-time call of `repeat`: every copy has a key of its own, and may move."""

    def __call__(
        self, params: Repeated, x: Any, *args: Any, key: Any = None, **options: Any
    ) -> tuple[Any, Repeated]:
        size = len(jax.tree.leaves(params)[0])
        keys = None if key is None else jax.random.split(key, size)

        def step(x: Any, this: Any) -> tuple[Any, Model]:
            model, key = this
            y, model = observe_inputs(model, x, *args, key=key, **options)
            return unchanged(x, y), model

        x, each = jax.lax.scan(self.checkpointed(step), x, (params.each, keys))
        return x, Repeated(each)

    def keywords(self) -> tuple[set[str], bool]:
        return {"key"}, False


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
            raise TypeError(f"{self.name}: a copy has a number, but {index!r} came")
        return jax.tree.map(lambda leaf: leaf[index], parameters.each)


def repeat(layer: Layer, n: int, *, remat: bool | Policy = False) -> Layer:
    """A layer of n copies of a layer, one after another, each with parameters of its own.

    The copies are created by `jax.vmap` and run by `jax.lax.scan`: time to compile and size of the
    program do not grow with n.

    Args:
        layer: A layer that returns what it takes, in shape and dtype.
        n: How many, at least 1.
        remat: Whether the reverse pass computes the inside of each copy again instead of keeping
            it; or a policy for what to keep, as in `jax.checkpoint`.

    Returns:
        A layer that is created as `layer` is: `repeat(Block, 12)(key, ...)` splits the key in n.
        The model's copies are `model[i]`, and all of them `model.each`, whose leaves have n
        entries along their first axis. More arguments of a call go to every copy alike.
        `observe` gives each copy a key of its own.

    Gradient:
        Autodiff through the scan.

    Raises:
        TypeError: If `layer` is not a layer, or n is not an integer; or, when it is called, if a
            copy changes the shape or the dtype of x.
        ValueError: If n is below 1.

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
    if not isinstance(layer, Layer):
        cure = ", which has one set of parameters" if isinstance(layer, Model) else ""
        raise TypeError(f"repeat: layer must be a Layer, but a {type(layer).__name__} came{cure}")
    if not isinstance(n, Integral):
        raise TypeError(f"repeat: n must be an integer, but a {type(n).__name__} came")
    if n < 1:
        raise ValueError(f"repeat: n must be at least 1, but {n} came")
    apply, seen = ApplyRepeated(layer, remat), ObserveRepeated(layer, remat)
    return Repeat(f"{n} {layer.name}", CreateRepeated(layer, int(n)), apply, seen, doc=layer.doc)
