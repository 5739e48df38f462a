"""Text as numbers, character by character, for models of language."""

from typing import NamedTuple

import numpy as np

from ..ops.checks import check_sizes, check_whole
from .splits import Split


class Vocabulary(NamedTuple):
    """The characters that a model knows; the number of each is its place.

    Example:
        >>> from pyneurons_yat.data import characters
        >>> _, vocabulary = characters("hello")
        >>> vocabulary.symbols, vocabulary.size
        ('ehlo', 4)
        >>> vocabulary.encode("hole").tolist(), vocabulary.decode([1, 0, 2])
        ([1, 3, 2, 0], 'hel')
    """

    symbols: str

    @property
    def size(self) -> int:
        """The number of characters."""
        return len(self.symbols)

    def encode(self, text: str) -> np.ndarray:
        """The numbers of the characters of a text.

        Args:
            text: Any text of known characters.

        Returns:
            int32 (characters,).

        Raises:
            ValueError: If a character is none of the vocabulary, naming it.
            TypeError: If it is no text.
        """
        points, known = _points("encode", text), _points("encode", self.symbols)
        order = np.argsort(known)
        place = np.searchsorted(known[order], points) % max(self.size, 1)
        ids = order[place] if self.size else place
        wrong = np.flatnonzero(known[ids] != points) if self.size else np.arange(len(points))
        if wrong.size:
            raise ValueError(
                f"encode: text must be of the {self.size} characters of the vocabulary, got "
                f"{text[wrong[0]]!r}; make the vocabulary of all text that there will be"
            )
        return ids.astype(np.int32)

    def decode(self, ids: object) -> str:
        """The text of numbers of characters.

        Args:
            ids: Integers (characters,) of a NumPy or JAX array or a list.

        Returns:
            The text.

        Raises:
            ValueError: If a number is out of range, or the shape is another.
            TypeError: If they are no integers.
        """
        found = np.asarray(ids)
        found = found.astype(np.int32) if found.size == 0 else found
        check_whole("decode", "ids", found)
        if found.ndim != 1:
            raise ValueError(f"decode: ids must have shape (characters,), got {found.shape}")
        wrong = found[(found < 0) | (found >= self.size)]
        if wrong.size:
            raise ValueError(f"decode: ids must be from 0 to {self.size - 1}, got {wrong[0]}")
        return _points("decode", self.symbols)[found].tobytes().decode("utf-32-le", "surrogatepass")


def characters(text: str) -> tuple[np.ndarray, Vocabulary]:
    """A text as the numbers of its characters, and the vocabulary that they are of.

    Args:
        text: At least one character.

    Returns:
        The numbers, int32 (characters,), and the `Vocabulary` of all characters of the text in the
        order of their code points.

    Raises:
        ValueError: If the text is empty.
        TypeError: If it is no text.

    Example:
        >>> import jax, optax, pyneurons_yat as pn
        >>> from pyneurons_yat.data import characters, windows
        >>> from pyneurons_yat.zoo import Transformer
        >>> ids, vocabulary = characters("a rose is a rose is a rose. " * 4)
        >>> x, y = windows(ids, 16)
        >>> model = Transformer(jax.random.key(0), vocabulary.size, 8, blocks=1, heads=2)
        >>> model, _ = pn.fit(optax.adam(0.1), model, x, y, loss=pn.cross_entropy, epochs=40)
        >>> likely = model(vocabulary.encode("a rose i")).argmax(-1)
        >>> vocabulary.decode(likely[-1:])
        's'
    """
    points = _points("characters", text)
    if not points.size:
        raise ValueError("characters: text must have at least one character, got none")
    known, ids = np.unique(points, return_inverse=True)
    symbols = known.tobytes().decode("utf-32-le", "surrogatepass")
    return ids.astype(np.int32), Vocabulary(symbols)


def windows(ids: np.ndarray, length: int, *, stride: int | None = None) -> Split:
    """Pieces of a sequence and, for each place of them, what comes next.

    Args:
        ids: Integers (T,), such as `characters` makes.
        length: Places per piece.
        stride: How far one piece begins behind the one before; by default its length, so that each
            place but the last is in one piece.

    Returns:
        x and y, views of ids (N, length), with y[n, t] = ids[n * stride + t + 1]. Places after the
        last whole piece are left out.

    Raises:
        ValueError: If ids has another rank or fewer than length + 1 entries, or a size is below 1.
        TypeError: If ids or a size is no integer.

    Example:
        >>> import numpy as np
        >>> from pyneurons_yat.data import windows
        >>> x, y = windows(np.arange(7), 3)
        >>> x.tolist(), y.tolist()
        ([[0, 1, 2], [3, 4, 5]], [[1, 2, 3], [4, 5, 6]])
    """
    ids = np.asarray(ids)
    check_whole("windows", "ids", ids)
    stride = length if stride is None else stride
    check_sizes("windows", length=length, stride=stride)
    if ids.ndim != 1 or len(ids) <= length:
        raise ValueError(
            f"windows: ids must have shape (T,) with T of at least length + 1, {length + 1}, got "
            f"shape {ids.shape}"
        )
    pieces = np.lib.stride_tricks.sliding_window_view(ids, length + 1)[::stride]
    return Split(pieces[:, :-1], pieces[:, 1:])


def _points(function: str, text: str) -> np.ndarray:
    """The code points of a text."""
    if not isinstance(text, str):
        raise TypeError(f"{function}: text must be text, got a {type(text).__name__}")
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
