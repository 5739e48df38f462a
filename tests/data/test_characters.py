"""Text as numbers: there and back, windows, and what is refused."""

import jax.numpy as jnp
import numpy as np
import pytest

from pyneurons_yat.data import Vocabulary, characters, windows

TEXT = "Zoë's naïve 🦊\nsaid: \u4f60\u597d, \ud800!"


def test_numbers_are_the_places_of_the_sorted_characters_and_lead_back():
    ids, vocabulary = characters(TEXT)
    symbols = sorted(set(TEXT))
    assert vocabulary.symbols == "".join(symbols)
    assert vocabulary.size == len(symbols)
    assert ids.tolist() == [symbols.index(c) for c in TEXT]
    assert ids.dtype == np.int32
    assert vocabulary.decode(ids) == TEXT
    assert vocabulary.decode(jnp.asarray(ids)) == TEXT
    np.testing.assert_array_equal(vocabulary.encode(TEXT), ids)


def test_a_vocabulary_of_ones_own_keeps_its_order_and_empty_text_is_text():
    vocabulary = Vocabulary("cab")
    assert vocabulary.encode("abc").tolist() == [1, 2, 0]
    assert vocabulary.decode([1, 2, 0, 0]) == "abcc"
    assert vocabulary.encode("").shape == (0,)
    assert vocabulary.decode([]) == ""


@pytest.mark.parametrize("stride", [None, 1, 2, 5])
def test_windows_and_what_comes_next(stride):
    x, y = windows(np.arange(100, 111, dtype=np.int32), 3, stride=stride)
    starts = range(0, 11 - 3, stride or 3)
    assert x.tolist() == [[100 + s + t for t in range(3)] for s in starts]
    assert y.tolist() == [[101 + s + t for t in range(3)] for s in starts]
    assert x.dtype == y.dtype == np.int32


VOCABULARY = Vocabulary("abc")


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: characters(""), ValueError, "^characters: text must have at least one character"),
        (lambda: characters(b"abc"), TypeError, "^characters: text must be text, got a bytes"),
        (lambda: VOCABULARY.encode("abd"), ValueError, "^encode: .* of the 3 characters .*got 'd'"),
        (lambda: VOCABULARY.encode("aB"), ValueError, "^encode: .*got 'B'"),
        (lambda: Vocabulary("").encode("a"), ValueError, "^encode: .* 0 characters .*got 'a'"),
        (lambda: VOCABULARY.decode([0, 3]), ValueError, "^decode: ids must be from 0 to 2, got 3"),
        (lambda: VOCABULARY.decode([-1]), ValueError, "^decode: ids must be from 0 to 2, got -1"),
        (lambda: VOCABULARY.decode([0.0]), TypeError, "^decode: ids must be integers, got"),
        (lambda: VOCABULARY.decode([[0]]), ValueError, r"^decode: .* \(characters,\), got \(1, 1"),
        (lambda: windows(np.arange(3), 3), ValueError, r"^windows: .* at least .* 4, got .*\(3,\)"),
        (lambda: windows(np.arange(9), 0), ValueError, "^windows: length must be at least 1"),
        (lambda: windows(np.arange(9), 2, stride=0), ValueError, "^windows: stride must be at"),
        (lambda: windows(np.arange(9.0), 2), TypeError, "^windows: ids must be integers, got"),
        (lambda: windows(np.ones((3, 3), int), 2), ValueError, r"^windows: .*got shape \(3, 3\)"),
    ],
)
def test_malformed_calls_are_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
