"""What convolutions take on a CPU beside what the compiler tells, read off a compiled program.

XLA's CPU backend hands a convolution to a library that first copies both operands, in the order and
with the zeros between and around them that it wants. These copies are in no account of the
compiler. Found in JAX 0.10: of 15 convolutions measured alone, 14 took the bytes of these copies
beside, within a fifth, and one took nothing. Products of matrices take nothing beside.
"""

import re
from typing import Any, NamedTuple

AT_ONCE = 2
"""So many convolutions run at once: the gradients of both operands of one layer."""

DEFINED = re.compile(r"%?([\w.\-]+) = ([a-z]+\d*)\[([\d,]*)\]")
CONVOLUTION = re.compile(
    r" convolution\(([^)]*)\).*?window=\{([^}]*)\}.*?dim_labels=(\w+)_(\w+)->", re.M
)


class Operand(NamedTuple):
    """An operand of a convolution: bytes of a number, its shape, and which axes are in space."""

    width: int
    shape: tuple[int, ...]
    labels: str

    def enlarged(self, dilation: list[int], around: list[int]) -> int:
        """Its bytes with zeros between its entries and around them, axis by axis in space."""
        found = self.width
        for size, label in zip(self.shape, self.labels, strict=True):
            if label.isdigit():
                size = (size - 1) * dilation[int(label)] + 1 + around[int(label)]
            found *= size
        return found


ON_MESH = 2 / 3
"""Virtual devices share cores, so not all convolve at once: on 8 of them and 2 cores half of these
bytes were taken in one case, and four fifths in another."""


def workspace(compiled: Any, devices: int) -> int:
    """The bytes that the largest convolutions of a compiled program take beside, on a CPU."""
    needs = sorted(convolutions(compiled.as_text() or ""), reverse=True)
    return round(sum(needs[:AT_ONCE]) * (ON_MESH if devices > 1 else 1))


def convolutions(text: str) -> list[int]:
    """The bytes of both operands of each convolution in the text of a program, as copied."""
    shapes = {name: (dtype, shape) for name, dtype, shape in DEFINED.findall(text)}
    found = []
    for operands, window, left, right in CONVOLUTION.findall(text):
        one, other = (shapes[name.split()[-1].lstrip("%")] for name in operands.split(","))
        found.append(_copied(_operand(*one, left), _operand(*other, right), window))
    return found


def _operand(dtype: str, shape: str, labels: str) -> Operand:
    bits = re.search(r"\d+", dtype)
    sizes = tuple(int(size) for size in shape.split(",") if size)
    return Operand(int(bits[0]) // 8 if bits else 1, sizes, labels)


def _copied(left: Operand, right: Operand, window: str) -> int:
    """The bytes of both copies. A negative margin cuts off, which the copy does not."""
    axes = sum(label.isdigit() for label in left.labels)
    margins = _numbers(window, "pad", axes, "0_0")
    around = [max(sum(map(int, pair.split("_"))), 0) for pair in margins]
    dilated = [[int(n) for n in _numbers(window, f"{s}hs_dilate", axes, "1")] for s in "lr"]
    return left.enlarged(dilated[0], around) + right.enlarged(dilated[1], [0] * axes)


def _numbers(window: str, name: str, axes: int, default: str) -> list[str]:
    """What a window says under a name, axis by axis."""
    found = re.search(rf"\b{name}=(\S+)", window)
    return found[1].split("x") if found else [default] * axes
