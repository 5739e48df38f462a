"""How dense each layer of a sparse network is."""

from collections.abc import Sequence

from ..checks import SHARE, check_numbers, check_sizes, integers, is_several, told


def erdos_renyi(shapes: Sequence[tuple[int, int]], density: float) -> list[float]:
    """Shares the density of a whole network out over its layers.

        density_l = min(1, c (inputs_l + outputs_l) / (inputs_l outputs_l))

    with the c for which all layers together have the density asked for. So each unit has about as
    many non-zeros, and small layers are denser than large ones.

    Args:
        shapes: The layers' (inputs, outputs), at least one.
        density: The share of non-zeros of all weights together, above 0 and at most 1.

    Returns:
        A density for each layer, for `SparseLinear(key, inputs, outputs, density=...)`.

    Raises:
        ValueError: density is not above 0 and at most 1, or a size below 1.
        TypeError: shapes are no pairs of integers, or density is no number.

    Example:
        >>> import pyneurons_yat as pn
        >>> sizes = [784, 1024, 1024, 10]
        >>> shapes = list(zip(sizes, sizes[1:]))
        >>> [round(density, 3) for density in pn.erdos_renyi(shapes, 0.05)]
        [0.048, 0.042, 1.0]

    Source:
        Mocanu et al., "Scalable training of artificial neural networks with adaptive sparse
        connectivity inspired by network science", 2018, equation 1; capped at 1 and shared out
        again as in Evci et al., "Rigging the Lottery", arXiv:1911.11134.
    """
    if not is_several(shapes) or not shapes:
        raise TypeError(
            f"erdos_renyi: shapes must be pairs (inputs, outputs), at least one, got {told(shapes)}"
        )
    pairs = [integers("erdos_renyi", "each of shapes", shape, 2, 1) for shape in shapes]
    check_density("erdos_renyi", density)
    full: set[int] = set()
    while True:
        rest = [i for i in range(len(pairs)) if i not in full]
        wanted = density * sum(a * b for a, b in pairs) - sum(
            pairs[i][0] * pairs[i][1] for i in full
        )
        scale = wanted / max(sum(sum(pairs[i]) for i in rest), 1)
        found = [1.0 if i in full else scale * (a + b) / (a * b) for i, (a, b) in enumerate(pairs)]
        if not (over := {i for i in rest if found[i] >= 1}):
            return found
        full |= {i for i in over if found[i] == max(found)}


def check_density(function: str, density: float) -> None:
    """Refuses what is no number above 0 and at most 1."""
    check_numbers(function, SHARE, static=True, density=density)
    if density == 0:
        raise ValueError(f"{function}: density must be above 0 and at most 1, got {density}")


def fan_in(function: str, inputs: int, density: float) -> int:
    """The non-zeros of each output: density times inputs, rounded, and at least 1."""
    check_density(function, density)
    check_sizes(function, inputs=inputs)
    return max(1, round(density * inputs))
