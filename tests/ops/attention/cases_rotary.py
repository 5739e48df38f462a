"""Cases of the rotary and of the sinusoidal positions."""

import functools

import numpy as np
import truth_rotary
from case import Case

from pyneurons_yat import ops

_EDGES = (
    ((0, 1, 2),),  # no tokens
    ((2, 0, 1, 2),),
    ((1, 2, 0),),  # a head of size 0
    ((1, 1, 1, 1, 4),),
    ((2, 3, 2, 2, 2),),  # two batch axes
)


def cases():
    """All of them."""
    for interleaved in (False, True):
        options = {"interleaved": interleaved}
        yield Case(
            f"rotary-{'interleaved' if interleaved else 'half'}",
            functools.partial(ops.rotary, offset=3, **options),
            functools.partial(truth_rotary.rotary, offset=3, **options),
            ((2, 3, 2, 4),),
            _EDGES,
        )
    options = {"positions": np.array([[0.0, 2.5, 7.0], [4.0, -1.0, 4.0]]), "size": 2}
    yield Case(
        "rotary-positions",
        functools.partial(ops.rotary, **options),
        functools.partial(truth_rotary.rotary, **options),
        ((2, 3, 1, 5),),
        variant=True,
    )
    for interleaved in (True, False):
        options = {"features": 4, "interleaved": interleaved}
        yield Case(
            f"sinusoidal-{'interleaved' if interleaved else 'half'}",
            functools.partial(ops.sinusoidal, **options),
            functools.partial(truth_rotary.sinusoidal, **options),
            ((2, 3),),
            (((),), ((0,),), ((1, 1, 1),)),
            variant=not interleaved,
        )
