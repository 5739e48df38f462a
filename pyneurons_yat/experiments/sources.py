"""The data files of the experiments, read from the folder that the user names."""

from pathlib import Path

import numpy as np

from ..data import Citations, Split, citations, read_idx

TRAINING = 8_000
"""How many of the 10,000 images train; the others test."""

IMAGES = "t10k-images-idx3-ubyte"
LABELS = "t10k-labels-idx1-ubyte"
MNIST = (
    f"mnist10k.npz with the arrays images and labels, or {IMAGES} and {LABELS} (as they are or "
    "with .gz), the test files of MNIST, from https://ossci-datasets.s3.amazonaws.com/mnist/"
)
TEXT = (
    "tinyshakespeare.txt or input.txt, from "
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
)
GRAPHS = (
    "{}.npz, the Planetoid split of https://github.com/kimiyoung/planetoid with the arrays that "
    "pyneurons_yat.data.citations names"
)


def mnist(data: Path | None) -> tuple[Split, Split]:
    """The 10,000 test images of MNIST: 8,000 to train with and 2,000 to test with.

    Args:
        data: The folder with `mnist10k.npz`, or with the two test files of the public
            distribution; both give the same arrays.

    Returns:
        Images (N, 28, 28), float32 from 0 to 1, and labels (N,), int32, twice.
    """
    packed = _found(data, ["mnist10k.npz"])
    if packed is not None:
        with np.load(packed) as file:
            images, labels = file["images"], file["labels"]
    else:
        places = [_found(data, [name, f"{name}.gz"]) for name in (IMAGES, LABELS)]
        images, labels = (read_idx(_must(data, place, MNIST)) for place in places)
    x, y = images.astype(np.float32) / 255, labels.astype(np.int32)
    return Split(x[:TRAINING], y[:TRAINING]), Split(x[TRAINING:], y[TRAINING:])


def shakespeare(data: Path | None) -> str:
    """Tiny Shakespeare, 1,115,394 characters; the customary split is the first 90% and the rest."""
    place = _found(data, ["tinyshakespeare.txt", "input.txt"])
    return _must(data, place, TEXT).read_text(encoding="utf-8")


def citation_graph(data: Path | None, name: str) -> Citations:
    """A citation graph with its public split, `"cora"` or `"citeseer"`."""
    return citations(_must(data, _found(data, [f"{name}.npz"]), GRAPHS.format(name)))


def _found(data: Path | None, names: list[str]) -> Path | None:
    """The first of these files that the folder has."""
    places = [] if data is None else [Path(data, name) for name in names]
    return next((place for place in places if place.is_file()), None)


def _must(data: Path | None, place: Path | None, wanted: str) -> Path:
    if place is None:
        came = "no folder" if data is None else f"{data}, which has it not"
        raise FileNotFoundError(f"--data must name a folder with {wanted}; got {came}")
    return place
