"""npz files: inputs and targets of one set, or of one to train with and one to test with."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError

import numpy as np

from ..io.replacing import replacing
from ..learn.batches import examples_of
from ..ops.checks import check_choice, check_flag, check_sizes, told
from .files import PathLike, file_at, numbers
from .splits import Split

NERVA = ("Xtrain", "Ttrain", "Xtest", "Ttest")
KERAS = ("x_train", "y_train", "x_test", "y_test")
ONE_SET = ("x", "y")
TARGETS = (None, "labels", "one_hot")


def load_npz(
    path: PathLike,
    *,
    keys: Sequence[str] | None = None,
    targets: str | None = None,
    classes: int | None = None,
    scale: bool = True,
) -> tuple[Split, Split | None]:
    """Inputs and targets out of an `.npz` file.

    Args:
        path: The file. Without `keys` it holds Xtrain, Ttrain, Xtest and Ttest, as those of nerva;
            or x_train, y_train, x_test and y_test, as those of Keras; or x and y, one set.
        keys: The names of its arrays where they are others: of inputs and targets to train with
            and to test with; or of inputs and targets; or of inputs alone.
        targets: What becomes of the targets. None: nothing. `"labels"`: integers (N,), of integers
            (N,) or (N, 1) or of one-hot rows (N, C). `"one_hot"`: rows of 0 and 1, float32 (N, C),
            of any of these.
        classes: How many columns one-hot rows have; by default one more than the largest label of
            both sets, which is too few where the last classes are absent.
        scale: Whether inputs that are bytes (uint8), as pixels are, become float32 from 0 to 1.

    Returns:
        The set to train with and the one to test with, which is None if the file has one set.
        Floats become float32, integers int32.

    Raises:
        FileNotFoundError: If there is no such file.
        KeyError: If an array is missing, naming those that there are.
        ValueError: If it is no npz file, shapes do not fit, or targets are no labels.
        TypeError: If an array does not hold real numbers.

    Example:
        >>> import numpy as np, tempfile
        >>> from pyneurons_yat.data import load_npz
        >>> with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        ...     np.savez(file.name, x=np.uint8([[0, 255]] * 3), y=np.eye(3))
        ...     train, test = load_npz(file.name, targets="labels")
        >>> train.x[0].tolist(), train.y.tolist(), test
        ([0.0, 1.0], [0, 1, 2], None)
    """
    check_choice("load_npz", "targets", targets, TARGETS)
    check_flag("load_npz", scale=scale)
    if classes is not None:
        check_sizes("load_npz", classes=classes)
        check_choice("load_npz", "targets beside classes", targets, ["one_hot"])
    arrays = _arrays(file_at("load_npz", path), keys)
    _check_pairs("load_npz", arrays)
    x = [numbers("load_npz", name, arrays[name], scale=scale) for name in list(arrays)[::2]]
    y = _targets({name: arrays[name] for name in list(arrays)[1::2]}, targets, classes)
    _check_sets("load_npz", x, y)
    train, *test = [Split(*pair) for pair in zip(x, y or [None], strict=True)]
    return train, test[0] if test else None


def save_npz(path: PathLike, train: Split, test: Split | None = None) -> Path:
    """Writes inputs and targets as `load_npz` reads them, whole or not at all.

    Args:
        path: The file, which ends in `.npz`.
        train: Inputs and targets, a pair of arrays.
        test: Those to test with, if they stand apart.

    Returns:
        The path. The file holds Xtrain, Ttrain, Xtest and Ttest, or without a test set x and y.

    Raises:
        ValueError: If the path ends otherwise, or numbers of examples differ.
        TypeError: If a set is no pair, or does not hold real numbers.

    Example:
        >>> import numpy as np, pathlib, tempfile
        >>> from pyneurons_yat.data import Split, load_npz, save_npz
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save_npz(pathlib.Path(folder, "a.npz"), Split(np.ones((2, 3)), np.arange(2)))
        ...     train, _ = load_npz(path)
        >>> train.x.shape, train.y.tolist()
        ((2, 3), [0, 1])
    """
    place = Path(path)
    if place.suffix != ".npz":
        raise ValueError(f"save_npz: path must end in .npz, got {str(path)!r}")
    sets = [train] if test is None else [train, test]
    if not all(isinstance(one, tuple | list) and len(one) == 2 for one in sets):
        raise TypeError(f"save_npz: train and test must be pairs (x, y), got {told(sets)}")
    names: list[str] = [*(ONE_SET if test is None else NERVA)]
    arrays = dict(zip(names, (np.asarray(array) for one in sets for array in one), strict=True))
    for item in arrays.items():
        numbers("save_npz", *item)
    _check_pairs("save_npz", arrays)
    _check_sets("save_npz", *(list(arrays.values())[i::2] for i in (0, 1)))
    with replacing(place) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    return place


def _arrays(place: Path, keys: Sequence[str] | None) -> dict[str, np.ndarray]:
    """The arrays of a file, by their names, inputs and targets by turns."""
    if keys is not None and (isinstance(keys, str) or len(keys) not in (1, 2, 4)):
        raise ValueError(f"load_npz: keys must be 1, 2 or 4 names of arrays, got {told(keys)}")
    try:
        with place.open("rb") as opened, np.load(opened) as file:
            choices = [tuple(keys)] if keys is not None else [NERVA, KERAS, ONE_SET]
            names = next((c for c in choices if {*c} <= {*file.files}), None)
            if names is None:
                wanted = " or ".join(", ".join(choice) for choice in choices)
                raise KeyError(
                    f"load_npz: {place} must hold {wanted}, got {', '.join(file.files)}; "
                    "say which are which by keys"
                )
            return {name: file[name] for name in names}
    except (zipfile.BadZipFile, UnpicklingError, EOFError, AttributeError, TypeError) as error:
        raise ValueError(
            f"load_npz: path must lead to an npz file, got {place}: {error}"
        ) from error
    except ValueError as error:
        raise ValueError(f"load_npz: {place} cannot be read: {error}") from error


def _check_pairs(function: str, arrays: dict[str, np.ndarray]) -> None:
    """Refuses inputs and targets of unequal number."""
    names, values = list(arrays), list(arrays.values())
    for i in range(0, len(values), 2):
        examples_of(function, " and ".join(names[i : i + 2]), values[i], values[i + 1 : i + 2])


def _check_sets(function: str, *kinds: list[np.ndarray]) -> None:
    """Refuses inputs, or targets, whose examples differ in shape between the sets."""
    for what, arrays in zip(("inputs", "targets"), kinds, strict=True):
        if len({array.shape[1:] for array in arrays}) > 1:
            raise ValueError(
                f"{function}: {what} must have one shape in both sets, got "
                f"{' and '.join(str(array.shape) for array in arrays)}"
            )


def _targets(
    arrays: dict[str, np.ndarray], targets: str | None, classes: int | None
) -> list[np.ndarray]:
    """The targets of one or both sets in the form wanted."""
    given = [numbers("load_npz", *item) for item in arrays.items()]
    if targets is None:
        return given
    labels = [_labels(name, array) for name, array in zip(arrays, given, strict=True)]
    if targets == "labels":
        return labels
    widths = [array.shape[1] for array in given if array.ndim == 2 and array.shape[1] > 1]
    least = max([*widths, *(int(array.max(initial=-1)) + 1 for array in labels)])
    if classes is not None and classes < least:
        raise ValueError(f"load_npz: classes must be at least {least} here, got {classes}")
    return [np.eye(classes or least, dtype=np.float32)[array] for array in labels]


def _labels(name: str, array: np.ndarray) -> np.ndarray:
    """Labels (N,) of labels (N,) or (N, 1), or of one-hot rows (N, C)."""
    wanted = f"load_npz: {name} must be labels (N,) or one-hot rows (N, C)"
    if array.ndim == 2 and array.shape[1] > 1:
        if not (np.isin(array, (0, 1)).all() and (array.sum(1) == 1).all()):
            raise ValueError(f"{wanted}, got rows of shape {array.shape} that are not one-hot")
        return array.argmax(1).astype(np.int32)
    if array.ndim > 2:
        raise ValueError(f"{wanted}, got shape {array.shape}")
    labels = array.reshape(-1)
    if not ((labels >= 0) & (labels == np.floor(labels))).all():
        raise ValueError(f"{wanted}, got numbers that are not whole or below 0")
    return labels.astype(np.int32)
