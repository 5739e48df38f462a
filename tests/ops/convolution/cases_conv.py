"""Cases of the convolutions."""

import functools

import truth_conv
from case import Case

from pyneurons_yat import ops

ONE, TWO = ((1, 1),), ((1, 1),) * 2


def _yat_conv(x, kernel, bias, alpha, epsilon, **options):
    return ops.yat_conv(x, kernel, bias, alpha, epsilon=epsilon, **options)


def _yat_conv_transpose(x, kernel, bias, alpha, epsilon, **options):
    return ops.yat_conv_transpose(x, kernel, bias, alpha, epsilon=epsilon, **options)


_EDGES = (
    ((0, 3, 2, 2), (2, 2, 2, 3), (3,), (3,), ()),  # an empty batch
    ((3, 2, 0), (2, 2, 0, 2), (2,), (), ()),  # no channels, no batch axis
    ((2, 3, 2, 2), (2, 2, 2, 0), (0,), (), (0,)),  # no outputs
    ((1, 1, 1, 1), (1, 1, 1, 1), (1,), (1,), (1,)),
    ((2, 1, 1, 2, 1), (1, 2, 1, 2), (2,), (1, 1, 1, 1, 2), ()),  # two batch axes, full rank
)

# The windows of each case: as the op is told, and as the truth is.
_FORWARD = {
    "strided": (
        ((4, 3, 2), (2, 2, 2, 2)),
        {"strides": (2, 1), "padding": ((1, 0), 1)},
        {"strides": (2, 1), "padding": ((1, 0), (1, 1))},
    ),
    "causal": (
        ((2, 4, 2), (2, 2, 2)),
        {"padding": "CAUSAL", "kernel_dilation": 2},
        {"padding": ((2, 0),), "dilations": (1, 2)},
    ),
    "circular": (
        ((2, 2, 1), (4, 2, 1, 2)),
        {"padding": "CIRCULAR", "input_dilation": 2},
        {"border": ((1, 2), (0, 1)), "mode": "wrap", "dilations": (2, 1)},
    ),
    "reflect": (
        ((1, 3, 2), (3, 2, 1)),
        {"padding": "REFLECT", "strides": 2, "input_dilation": 2},
        {"border": ONE, "mode": "reflect", "strides": 2, "dilations": (2, 1)},
    ),
    "3d-groups": (
        ((2, 3, 2, 4), (2, 1, 2, 2, 4)),
        {"padding": "VALID", "feature_group_count": 2},
        {"groups": 2},
    ),
    "depthwise": (
        ((2, 4, 3), (3, 1, 6)),
        {"padding": 1, "feature_group_count": 3},
        {"padding": ONE, "groups": 3},
    ),
}
_TRANSPOSED = {
    "torch": (
        ((2, 2, 2, 4), (3, 3, 2, 4)),
        {
            "strides": 2,
            "padding": 1,
            "output_padding": (1, 0),
            "feature_group_count": 2,
            "transpose_kernel": True,
        },
        {"padding": ((1, 2), (1, 1)), "groups": 2, "transpose_kernel": True, "strides": 2},
    ),
    "circular": (
        ((3, 2, 2), (4, 3, 2, 2)),
        {"strides": 2, "padding": "CIRCULAR"},
        {"strides": 2, "circular": True},
    ),
    "valid-dilated": (
        ((2, 3, 2), (2, 2, 2)),
        {"strides": 2, "padding": "VALID", "kernel_dilation": 2},
        {"strides": 2, "padding": ((2, 2),), "dilation": 2},
    ),
}


def _variants(prefix, op, known, table):
    for name, (shapes, options, wanted) in table.items():
        x, kernel = shapes
        groups = options.get("feature_group_count", 1)
        outputs = groups * kernel[-2] if "transpose_kernel" in options else kernel[-1]
        yield Case(
            f"{prefix}-{name}",
            functools.partial(op, **options),
            functools.partial(known, **wanted),
            (x, kernel, (outputs,), (outputs,), ()),
            variant=True,
        )


def cases():
    """All of them."""
    shapes, scales = ((2, 3, 2, 2), (3, 3, 2, 2)), ((2,), (2,), ())
    known = functools.partial(truth_conv.yat_conv, padding=TWO)
    yield Case("yat_conv", _yat_conv, known, (*shapes, *scales))
    direct = functools.partial(_yat_conv, distance="direct", padding="VALID")
    valid = functools.partial(_yat_conv, padding="VALID")
    small = ((2, 3, 2, 2), (2, 2, 2, 2), *scales)
    for name, op in {"valid": valid, "direct": direct}.items():
        yield Case(f"yat_conv-{name}", op, truth_conv.yat_conv, small, _EDGES, variant=True)
    yield from _variants("yat_conv", _yat_conv, truth_conv.yat_conv, _FORWARD)
    table, known = _TRANSPOSED, truth_conv.yat_conv_transpose
    yield from _variants("yat_conv_transpose", _yat_conv_transpose, known, table)

    wide = functools.partial(truth_conv.conv, padding=TWO)
    yield Case("conv", ops.conv, wide, (*shapes, (2,)))
    shapes, upsampled = ((2, 3, 2), (3, 2, 2)), {"strides": 2, "padding": ((2, 1),)}
    op = functools.partial(ops.conv_transpose, strides=2)
    known = functools.partial(truth_conv.conv_transpose, **upsampled)
    yield Case("conv_transpose", op, known, (*shapes, (2,)))
    op = functools.partial(_yat_conv_transpose, strides=2)
    known = functools.partial(truth_conv.yat_conv_transpose, **upsampled)
    yield Case("yat_conv_transpose", op, known, (*shapes, *scales))
