"""csv files: headers, columns, labels as numbers and words, and which cell is wrong."""

import csv

import numpy as np
import pytest

from pyneurons_yat.data import load_csv


@pytest.fixture
def table(tmp_path):
    def read(text, **options):
        (tmp_path / "t.csv").write_bytes(text.encode())
        return load_csv(tmp_path / "t.csv", **options)

    return read


def test_numbers_and_the_last_column_as_targets(table):
    found = table("1,2.5,0\n-3e2, 4 ,1\r\n\n5,6,7\n")
    assert found.x.tolist() == [[1, 2.5], [-300, 4], [5, 6]]
    assert (found.y.tolist(), found.y.dtype, found.x.dtype) == ([0, 1, 7], np.int32, np.float32)
    assert (found.features, found.label, found.classes) == (("0", "1"), "2", None)
    measured = table("1,2,0\n3,4,0.5\n")
    assert (measured.y.tolist(), measured.y.dtype) == ([0, 0.5], np.float32)
    assert table("1,2,3000000000\n").y.dtype == np.float32


@pytest.mark.parametrize("label", ["kind", 0, -3])
def test_a_header_and_words_as_labels(table, label):
    text = '\ufeffkind,"width, in cm",height\n"rose, red",1,2\ndaisy ,3,4\n"rose, red",5,6\n'
    found = table(text, label=label)
    assert found.x.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert (found.y.tolist(), found.classes) == ([1, 0, 1], ("daisy", "rose, red"))
    assert (found.features, found.label) == (("width, in cm", "height"), "kind")


def test_classes_of_another_table_keep_their_numbers(table):
    trained = table("1,a\n2,b\n3,c\n")
    assert trained.classes == ("a", "b", "c")
    assert table("1,c\n2,c\n", classes=trained.classes).y.tolist() == [2, 2]
    assert table("1,3\n2,1\n", classes=("1", "2", "3")).y.tolist() == [2, 0]


def test_other_options(table):
    assert table("1;2\n3;4\n", delimiter=";").x.tolist() == [[1], [3]]
    assert table("1\t2\n", delimiter="\t", label=None).x.tolist() == [[1, 2]]
    years = table("2020,2021\n1,2\n", header=True, label=None)
    assert (years.x.tolist(), years.features, years.y) == ([[1, 2]], ("2020", "2021"), None)
    assert table("a,1\nb,2\n", header=False, label=0).classes == ("a", "b")
    assert table("x\n1\n2\n", label=None).x.tolist() == [[1], [2]]


def test_a_table_of_csvs_own_writer(tmp_path):
    rng = np.random.default_rng(0)
    x, words = rng.normal(size=(50, 7)), rng.choice(["a b", 'c"d', "e,f"], 50)
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([*row, word] for row, word in zip(x, words, strict=True))
    found = load_csv(str(tmp_path / "t.csv"))
    np.testing.assert_array_equal(found.x, x.astype(np.float32))
    assert [found.classes[i] for i in found.y] == words.tolist()


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a,b\n1,2\n3,\n4,5\n", {"label": "a"}, r"line 3 of .* column 'b', got ''; fill it"),
        ("1,2,0\n1,nan,0\n", {}, "line 2 of .* finite number in the column '1', got 'nan'"),
        ("1,2,0\n1,1e39,0\n", {}, "line 2 of .* finite number in the column '1', got '1e39'"),
        ("a,b\n1,2\n\nx,5\n", {}, "line 4 of .* finite number in the column 'a', got 'x'"),
        ("1,2\n3,4,5\n", {}, "line 2 of .* must have 2 cells, as the first has, got 3"),
        ("1,2,3\n3,4\n", {}, "line 2 of .* must have 3 cells, as the first has, got 2"),
        ("a,b,c\n3,4\n5,6\n", {}, "line 2 of .* must have 3 cells, as the first has, got 2"),
        ("1,2\n3,\n", {}, "the column '1' must hold a label in each line, got ''"),
        ("1,2.5\n3,nan\n", {}, "the column '1' must have finite numbers or words, got 'nan' for"),
        ("1,a\n2,d\n", {"classes": ("a", "b")}, "the column '1' must hold a, b, got 'd'"),
        ("", {}, "must have examples and columns of inputs"),
        ("\n\n", {}, "must have examples and columns of inputs"),
        ("a,b\n", {}, "must have examples and columns of inputs"),
        ("1\n2\n", {}, "must have examples and columns of inputs"),
        ("a,b\n1,2\n", {"label": "c"}, "label must name one column, got 'c' of a, b"),
        ("a,a\n1,2\n", {"label": "a"}, "label must name one column, got 'a' of a, a"),
        ("1,2\n", {"label": "c"}, "got 'c' of no header; header=True says that there is one"),
        ("1,2\n", {"label": 2}, "label must be a column, from -2 to 1, got 2"),
        ("1,2\n", {"delimiter": ", "}, "delimiter must be one character, got ', '"),
    ],
)
def test_malformed_tables_are_refused(table, text, options, message):
    with pytest.raises(ValueError, match=f"^load_csv: .*{message}"):
        table(text, **options)


def test_options_of_another_kind_are_refused(table, tmp_path):
    for options, message in [
        ({"header": 1}, "header must be True or False, got 1"),
        ({"label": True}, "label must be a name, a number or None, got True"),
        ({"classes": (1, 2)}, "classes must be words, got"),
        ({"classes": "12"}, "classes must be words, got '12'"),
    ]:
        with pytest.raises(TypeError, match=f"^load_csv: {message}"):
            table("1,2\n", **options)
    with pytest.raises(FileNotFoundError, match="^load_csv: path must lead to a file, got .*there"):
        load_csv(tmp_path / "none.csv")
