"""What calls share: a key handed on, split, or missed by name; parts that rest in training."""

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as with_fields
from functools import partial
from typing import Any, NoReturn

import jax

from .checks import check_kind
from .layer import Around, Layer, layers
from .model import Model
from .signatures import takes_key


class Missing:
    """Stands for a key in training where none was given; using it tells which part wanted one.

    A part that takes a key but draws nothing, such as dropout with a rate of 0, does not use it.
    """

    def __init__(self, part: str) -> None:
        self.__dict__["told"] = (
            f"{part}: in training key must be a PRNG key, got None; pass one: training(f)(model, "
            "..., key=key), observe(model, x, key=key), fit(..., key=key), "
            "TrainState.create(..., key)"
        )

    def __getattr__(self, name: str) -> NoReturn:
        """Tells which part wanted a key."""
        raise TypeError(self.__dict__["told"])


def with_key(function: Callable[..., Any], key: Any) -> Callable[..., Any]:
    """The function, handed the key if it names one."""
    return partial(function, key=key) if takes_key(function) else function


def split_key(key: Any, n: int) -> list[Any]:
    """`n` keys from one; `n` times what stands for none."""
    return list(jax.random.split(key, n)) if is_given(key) else [key] * n


def is_given(key: Any) -> bool:
    """Whether there is a key: neither None nor what stands for a missing one."""
    return key is not None and not isinstance(key, Missing)


@dataclass(frozen=True)
class Inference(Around):
    """The `apply` of a model that computes in training what it computes in inference."""

    def __call__(self, params: Any, *args: Any, **options: Any) -> Any:
        return self.layer.apply(params, *args, **options)


def inference(model: Model) -> Model:
    """A model that stays in inference during training, such as a batch norm that is not to move.

    Dropout in it drops nothing, and batch norm uses its running statistics and leaves them. Its
    parameters train, if they are not frozen: `freeze` says both.

    Args:
        model: A model, with all that it holds.

    Returns:
        A model of the same leaves.

    Gradient:
        That of inference.

    Raises:
        TypeError: If `model` is not a model.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> norm, x = pn.BatchNorm(2), jnp.array([[1.0, 2.0], [3.0, 4.0]])
        >>> y, moved = pn.observe(pn.inference(norm), x)
        >>> bool((y == norm(x)).all()), moved.mean.tolist()
        (True, [0.0, 0.0])
    """
    check_kind("inference", "model", model, Model)
    layer = with_fields(model.layer, apply=Inference(model.layer), observe=None)
    return Model(layer, model.params, model.static)


def rests(layer: Layer) -> bool:
    """Whether a layer, or one that it is built around, stays in inference during training."""
    return any(isinstance(one.apply, Inference) for one in layers(layer))
