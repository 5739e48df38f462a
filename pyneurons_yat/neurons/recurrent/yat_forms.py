"""The two forms of the gates of recurrent Yat cells, and what the cells ask of either.

- "joint": each neuron sees x and h side by side. The library's own; see `yat_gates`.
- "separate": neurons of x and neurons of h, whose scores are summed. As published with nmn 0.2.1;
  see `separate_gates`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from ...core import Choice, options_of
from ...ops import soft_tanh, softer_sigmoid
from ...ops.checks import NOT_NEGATIVE, check_choice, check_numbers, is_several, told
from . import separate_gates, yat_gates
from .cell import Projected
from .gates import Function
from .separate_gates import SeparateCellParams, published_gate, published_tanh
from .yat_gates import YatCellParams

Params = YatCellParams | SeparateCellParams


class GateForm(NamedTuple):
    """How gates are drawn, what is computed before the first step and in each, what squashes."""

    params: type
    create: Callable[..., Any]
    project: Callable[..., Projected]
    scores: Callable[..., tuple[jax.Array, ...]]
    reset_score: Callable[..., jax.Array]
    gate: Function
    activation: Function
    candidate: float  # the score of which the activation is 0


def _form(params: type, module: Any, *rest: Any) -> GateForm:
    functions = module.create, module.project, module.scores, module.reset_score
    return GateForm(params, *functions, *rest)


FORMS = {
    "joint": _form(YatCellParams, yat_gates, softer_sigmoid, soft_tanh, 0.0),
    "separate": _form(SeparateCellParams, separate_gates, published_gate, published_tanh, 1.0),
}


@options_of(yat_gates.create)
def create(
    name: str,
    scores: tuple[float | None, ...],
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    form: Choice = "joint",
    initial_scores: tuple[float, ...] | None = None,
    **options: Any,
) -> Params:
    """The parameters of one gate per score, in a form.

    Args:
        name: What errors call the cell.
        scores: The initial score of each gate; None for a candidate's, of which its value is 0.
        key: A PRNG key.
        inputs: Features of x.
        outputs: Features of h.
        form: "joint", neurons that see x and h side by side, or "separate", neurons of x and
            neurons of h whose scores are summed, as published.
        initial_scores: Of each gate, what the bias makes of the score of a fresh neuron.
    """
    check_choice(name, "form", form, tuple(FORMS))
    own = tuple(FORMS[form].candidate if one is None else one for one in scores)
    start = own if initial_scores is None else _checked(name, len(own), initial_scores)
    return FORMS[form].create(name, start, key, inputs, outputs, **options)


def _checked(name: str, gates: int, scores: Any) -> tuple[float, ...]:
    """The scores; what is not one per gate, none below 0, is refused."""
    if not is_several(scores) or len(scores) != gates:
        raise ValueError(f"{name}: initial_scores must be {gates} numbers, got {told(scores)}")
    check_numbers(name, NOT_NEGATIVE, **{f"initial_scores[{i}]": s for i, s in enumerate(scores)})
    return tuple(scores)


@options_of(yat_gates.project)
def project(
    name: str,
    params: Params,
    x: jax.Array,
    reset: bool = False,
    *,
    form: Choice = "joint",
    **options: Any,
) -> Projected:
    """What needs no h, gate by gate.

    Args:
        name: What errors call the cell.
        params: The cell's parameters.
        x: (*B, inputs) of one step, or (T, *B, inputs) of all.
        reset: Whether the last gate sees h scaled by another.
        form: As when the model was made.
    """
    check_choice(name, "form", form, tuple(FORMS))
    if not isinstance(params, FORMS[form].params):
        raise TypeError(
            f"{name}: params must be {FORMS[form].params.__name__} for form={form!r}, got "
            f"{type(params).__name__}; pass the form of which they are"
        )
    return FORMS[form].project(name, params, x, reset, **options)


def squashers(
    form: str, gate: Function | None, activation: Function | None
) -> tuple[Function, Function]:
    """The functions given, or those of the form."""
    return gate or FORMS[form].gate, activation or FORMS[form].activation
