"""Cases of attention."""

import functools

import truth_attention
from case import Case

from pyneurons_yat import ops

SHAPES = ((2, 3, 2, 2), (2, 4, 1, 2), (2, 4, 1, 2), (2, 1, 1, 4), (2,), (), (2,))
MORE = (
    ((1, 0, 2, 2), (1, 3, 1, 2), (1, 3, 1, 2), (3,), (2,), (), (2,)),  # no queries
    ((1, 2, 2, 2), (1, 0, 2, 2), (1, 0, 2, 1), (1, 0), (2,), (), (2,)),  # no keys
    ((0, 2, 2, 2), (0, 3, 2, 2), (0, 3, 2, 1), (), (2,), (), (2,)),  # no batch
    ((2, 1, 0), (1, 1, 0), (1, 1, 1), (1, 2, 1), (), (1,), ()),  # no features, no batch axis
    ((1, 1, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1), (1,), (1,), (1,)),
)


def _attention(query, key, value, bias, shift, alpha, epsilon, power=1.0, **options):
    more = {"shift": shift, "alpha": alpha, "epsilon": epsilon, "power": power}
    return ops.yat_attention(query, key, value, bias, **more, **options)


def _weights(query, key, bias, shift, alpha, epsilon, power=1.0, **options):
    more = {"shift": shift, "alpha": alpha, "epsilon": epsilon, "power": power}
    return ops.yat_attention_weights(query, key, bias, **more, **options)


def _known(function, arrays, query, *rest, normalizer, power=1.0, **seen):
    keys = rest[0].shape[-3]
    chosen = truth_attention.pattern(query.shape[-3], keys, **seen)
    values, (bias, *more) = rest[: arrays - 1], rest[arrays - 1 :]
    options = {
        "power": power,
        **dict(zip(("shift", "alpha", "epsilon", "power"), more, strict=False)),
    }
    return function(query, *values, bias, chosen, normalizer=normalizer, **options)


def _case(name, normalizer, options, seen, shapes=SHAPES, edges=(), **more):
    op = functools.partial(_attention, normalizer=normalizer, **options)
    known = functools.partial(_known, truth_attention.attention, 3, normalizer=normalizer, **seen)
    # Larger arguments make scores of 100, and their exponentials lose two digits.
    return Case(f"yat_attention-{name}", op, known, shapes, edges, high=1.2, rule=True, **more)


def cases():
    """All of them."""
    blocks = {"block_size": (2, 3)}
    causal = {"is_causal": True}
    yield _case("softmax", "softmax", blocks, {}, edges=MORE)
    yield _case("softermax", "softermax", blocks, {}, edges=MORE, variant=True)
    yield _case("power", "softermax", blocks | causal, causal, (*SHAPES, (2,)))
    yield _case("causal", "softmax", blocks | causal, causal, variant=True)
    window = {"local_window_size": (1, 0), "dilation": 2} | blocks
    seen = {"window": (1, 0), "dilation": 2}
    yield _case("strided", "softmax", window, seen, variant=True)
    direct = {"distance": "direct"} | blocks
    yield _case("direct", "softermax", direct, {}, variant=True)
    op = functools.partial(_weights, normalizer="softermax", is_causal=True)
    known = functools.partial(
        _known, truth_attention.weights, 2, normalizer="softermax", is_causal=True
    )
    shapes, edges = (SHAPES[:2] + SHAPES[3:], tuple(e[:2] + e[3:] for e in MORE))
    yield Case("yat_attention_weights", op, known, shapes, edges)
