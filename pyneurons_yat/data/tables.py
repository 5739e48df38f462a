"""csv files: numbers in columns, and a column of labels."""

import csv
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..ops.checks import check_flag, is_known, is_several, told
from .files import PathLike, file_at

LARGEST = float(np.finfo(np.float32).max)


class Table(NamedTuple):
    """A table as data to learn from.

    Attributes:
        x: The numbers (N, features), float32.
        y: Labels or numbers (N,); None without a column of them.
        features: The names of the columns of x; "0", "1", ... without a header.
        label: The name of the column of y; None without one.
        classes: The names of the labels, in the order of their numbers; None if y holds numbers.

    Example:
        >>> import numpy as np
        >>> from pyneurons_yat.data import Table
        >>> table = Table(np.ones((1, 2)), np.array([0]), ("width", "height"), "kind", ("small",))
        >>> table.classes[table.y[0]]
        'small'
    """

    x: np.ndarray
    y: np.ndarray | None
    features: tuple[str, ...]
    label: str | None
    classes: tuple[str, ...] | None


def load_csv(
    path: PathLike,
    *,
    label: str | int | None = -1,
    header: bool | None = None,
    delimiter: str = ",",
    classes: Sequence[str] | None = None,
) -> Table:
    r"""Inputs and targets out of a csv file, UTF-8.

    Args:
        path: The file.
        label: The column of the targets, by its name in the header or by its number, from the end
            if that is below 0; None if there is none. All other columns must be numbers.
        header: Whether the first line names the columns. By default it does if none of its cells is
            a number.
        delimiter: The character between cells.
        classes: The names of the labels, in the order of their numbers: those of the table that was
            trained with, so that a label has the same number in every file. By default labels that
            are words are numbered in sorted order, those that are numbers stay.

    Returns:
        `Table(x, y, features, label, classes)`. y is int32 for integers and for words, else
        float32.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file has no examples, a line has another number of cells than the first,
            a cell is empty, NaN or no number, naming its line and column, a label is none of the
            classes, or there is no such column.
        TypeError: If an option is of another kind.

    Example:
        >>> import pathlib, tempfile
        >>> from pyneurons_yat.data import load_csv
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "flowers.csv")
        ...     _ = path.write_text("length,width,kind\n1,0.5,rose\n2,0.25,daisy\n")
        ...     table = load_csv(path, label="kind")
        >>> table.x.tolist(), table.y.tolist(), table.classes
        ([[1.0, 0.5], [2.0, 0.25]], [1, 0], ('daisy', 'rose'))
    """
    if header is not None:
        check_flag("load_csv", header=header)
    if not (isinstance(delimiter, str) and len(delimiter) == 1):
        raise ValueError(f"load_csv: delimiter must be one character, got {told(delimiter)}")
    place = file_at("load_csv", path)
    with place.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file, delimiter=delimiter)
        first = next((row for row in rows if row), [])
        start = rows.line_num
    headed = not any(map(_is_number, first)) if header is None else header
    names = tuple(cell.strip() for cell in first) if headed else tuple(map(str, range(len(first))))
    if not names:
        raise ValueError(f"load_csv: {place} must have examples and columns of inputs, got no line")
    column = _column(label, names, headed)
    x, cells = _read(place, delimiter, start if headed else 0, names, column)
    y, found = (None, None) if cells is None else _targets(cells, names[column or 0], classes)
    features = tuple(name for i, name in enumerate(names) if i != column)
    return Table(x, y, features, None if column is None else names[column], found)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _column(label: Any, names: tuple[str, ...], headed: bool) -> int | None:
    """The number of the column of targets."""
    if label is None:
        return None
    if isinstance(label, str):
        if not headed or names.count(label) != 1:
            having = ", ".join(names) if headed else "no header; header=True says that there is one"
            raise ValueError(f"load_csv: label must name one column, got {label!r} of {having}")
        return names.index(label)
    if not is_known(label) or isinstance(label, bool):
        raise TypeError(f"load_csv: label must be a name, a number or None, got {told(label)}")
    if not -len(names) <= label < len(names):
        raise ValueError(
            f"load_csv: label must be a column, from {-len(names)} to {len(names) - 1}, got {label}"
        )
    return int(label) % len(names)


def _read(
    place: Path, delimiter: str, skipped: int, names: tuple[str, ...], column: int | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The numbers, and the cells of the labels; what is wrong is looked for only if it is so."""
    cells: list[str] = []

    def keep(cell: str) -> float:
        cells.append(cell.strip())
        return 0.0

    ways: dict[str, Any] = {"delimiter": delimiter, "skiprows": skipped, "ndmin": 2}
    ways |= {"comments": None, "quotechar": '"', "encoding": "utf-8-sig"}
    ways["converters"] = None if column is None else {column: keep}
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # no line is an error
            x = np.loadtxt(place, np.float32, **ways)
    except ValueError as error:
        _refuse_cells(place, delimiter, skipped, names, column)
        raise ValueError(f"load_csv: {place} cannot be read: {error}") from error
    if not len(x) or x.shape[1] == (column is not None):
        raise ValueError(
            f"load_csv: {place} must have examples and columns of inputs, got {len(x)} lines of "
            f"{len(names)} columns"
        )
    x = np.delete(x, [] if column is None else [column], axis=1)
    if not np.isfinite(x).all() or x.shape[1] + (column is not None) != len(names):
        _refuse_cells(place, delimiter, skipped, names, column)
    return x, None if column is None else np.array(cells)


def _refuse_cells(
    place: Path, delimiter: str, skipped: int, names: tuple[str, ...], column: int | None
) -> None:
    """Names the first line of another length, or the first cell that is no finite number."""
    with place.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file, delimiter=delimiter)
        for row in rows:
            if rows.line_num <= skipped or not row:
                continue
            where = f"load_csv: line {rows.line_num} of {place}"
            if len(row) != len(names):
                raise ValueError(
                    f"{where} must have {len(names)} cells, as the first has, got {len(row)}"
                )
            for i, cell in enumerate(row):
                if i != column and not (_is_number(cell) and abs(float(cell)) <= LARGEST):
                    raise ValueError(
                        f"{where} must have a finite number in the column {names[i]!r}, got "
                        f"{cell!r}; fill it, or leave the line or the column out"
                    )


def _targets(
    cells: np.ndarray, column: str, classes: Sequence[str] | None
) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """The labels as numbers, and the names of the classes if they were words."""
    if classes is None:
        for dtype in (np.int32, np.float32):
            try:
                found = cells.astype(dtype)
            except (ValueError, OverflowError):
                continue
            if not np.isfinite(found).all():
                place = int(np.flatnonzero(~np.isfinite(found))[0])
                raise ValueError(
                    f"load_csv: the column {column!r} must have finite numbers or words, got "
                    f"{str(cells[place])!r} for example {place}"
                )
            return found, None
        classes = tuple(np.unique(cells).tolist())
    if not is_several(classes) or not all(isinstance(name, str) for name in classes):
        raise TypeError(f"load_csv: classes must be words, got {told(classes)}")
    numbers = {name: number for number, name in enumerate(classes)}
    if unknown := sorted({*cells.tolist()} - {*numbers}):
        raise ValueError(
            f"load_csv: the column {column!r} must hold {', '.join(classes)}, got {unknown[0]!r}"
        )
    if "" in numbers:
        raise ValueError(f"load_csv: the column {column!r} must hold a label in each line, got ''")
    return np.array([numbers[cell] for cell in cells.tolist()], np.int32), tuple(classes)
