"""npz and idx files: nerva's keys and Keras's, labels and one-hot rows, and what is refused."""

import gzip
import struct

import numpy as np
import pytest

from pyneurons_yat.data import Split, load_idx, load_npz, read_idx, save_npz

RNG = np.random.default_rng(0)
LABELS = np.array([2, 0, 1, 2])
ONE_HOT = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
X = RNG.normal(size=(4, 5))


@pytest.fixture
def npz(tmp_path):
    def write(**arrays):
        np.savez(tmp_path / "data.npz", **arrays)
        return tmp_path / "data.npz"

    return write


KEYS = {
    "nerva": ("Xtrain", "Ttrain", "Xtest", "Ttest"),
    "keras": ("x_train", "y_train", "x_test", "y_test"),
    "own": ("a", "b", "c", "d"),
}


@pytest.mark.parametrize("named", KEYS)
def test_two_sets_under_the_names_of_others_and_ones_own(npz, named):
    keys = KEYS[named]
    path = npz(**dict(zip(keys, (X, LABELS, X[:2] + 1, LABELS[:2]), strict=True)), more=X)
    train, test = load_npz(path, keys=keys if named == "own" else None)
    np.testing.assert_array_equal(train.x, X.astype(np.float32))
    np.testing.assert_array_equal(test.x, (X[:2] + 1).astype(np.float32))
    assert (train.y.tolist(), test.y.tolist()) == ([2, 0, 1, 2], [2, 0])
    assert (train.x.dtype, train.y.dtype) == (np.float32, np.int32)


@pytest.mark.parametrize("given", [LABELS, LABELS[:, None], ONE_HOT, ONE_HOT.astype(float)])
def test_labels_and_one_hot_rows_become_either(npz, given):
    path = npz(x=X, y=given)
    labels, none = load_npz(path, targets="labels")
    assert none is None
    assert (labels.y.tolist(), labels.y.dtype) == ([2, 0, 1, 2], np.int32)
    rows, _ = load_npz(path, targets="one_hot")
    np.testing.assert_array_equal(rows.y, ONE_HOT)
    assert rows.y.dtype == np.float32
    more, _ = load_npz(path, targets="one_hot", classes=5)
    np.testing.assert_array_equal(more.y, np.pad(ONE_HOT, [(0, 0), (0, 2)]))
    assert load_npz(path)[0].y.shape == given.shape


def test_one_hot_rows_have_the_classes_of_both_sets(npz):
    path = npz(Xtrain=X, Ttrain=[0, 1, 0, 1], Xtest=X[:1], Ttest=[3])
    assert load_npz(path, targets="one_hot")[0].y.shape == (4, 4)
    path = npz(Xtrain=X, Ttrain=[0, 1, 0, 1], Xtest=X[:1], Ttest=np.eye(6)[:1])
    assert load_npz(path, targets="one_hot")[0].y.shape == (4, 6)


def test_bytes_are_scaled_unless_they_are_not_to_be(npz):
    pixels = np.array([[0, 51, 255]], np.uint8)
    path = npz(x=pixels, y=np.uint8([255]))
    np.testing.assert_allclose(load_npz(path)[0].x, [[0, 0.2, 1]], 1e-6)
    assert load_npz(path)[0].y.tolist() == [255]
    plain, _ = load_npz(path, scale=False)
    assert (plain.x.tolist(), plain.x.dtype) == ([[0, 51, 255]], np.int32)
    inputs, _ = load_npz(path, keys=["x"])
    assert inputs.y is None
    assert load_npz(npz(x=np.array([[True]]), y=[0]))[0].x.dtype == np.int32


def test_what_is_saved_is_loaded(tmp_path):
    train, test = Split(X.astype(np.float32), LABELS.astype(np.int32)), Split(X[:1], ONE_HOT[:1])
    with pytest.raises(ValueError, match=r"^save_npz: targets must have one shape .*\(4,\) and"):
        save_npz(tmp_path / "a.npz", train, test)
    assert not [*tmp_path.iterdir()]
    test = Split(X[:1], LABELS[:1])
    for sets in ((train, test), (train, None)):
        again = load_npz(save_npz(tmp_path / "a.npz", *sets))
        for one, other in zip(again, sets, strict=True):
            if one is not None and other is not None:
                np.testing.assert_array_equal(one.x, np.asarray(other.x, np.float32))
                np.testing.assert_array_equal(one.y, other.y)
        assert (again[1] is None) == (sets[1] is None)
    with np.load(save_npz(str(tmp_path / "b.npz"), train, test)) as file:
        assert file.files == ["Xtrain", "Ttrain", "Xtest", "Ttest"]


@pytest.mark.slow
def test_nerva_reads_what_is_saved_alike(tmp_path):
    datasets = pytest.importorskip("nerva_jax.datasets", reason="nerva-jax is a peer")
    train, test = Split(X, LABELS), Split(X[:3], LABELS[:3])
    path = save_npz(tmp_path / "a.npz", train, test)
    ours = load_npz(path, targets="one_hot")
    for loader, split in zip(datasets.create_npz_dataloaders(str(path), 2), ours, strict=True):
        x, y = zip(*loader, strict=True)
        np.testing.assert_array_equal(np.concatenate(x), split.x)
        np.testing.assert_array_equal(np.concatenate(y), split.y)


@pytest.mark.parametrize(
    ("arrays", "options", "kind", "message"),
    [
        ({"x": X, "t": LABELS}, {}, KeyError, "must hold Xtrain, .* or x, y, got x, t; say which"),
        ({"x": X}, {"keys": ("x", "t")}, KeyError, "must hold x, t, got x; say which"),
        ({"x": X}, {"keys": "x"}, ValueError, "keys must be 1, 2 or 4 names of arrays, got 'x'"),
        ({"x": X}, {"keys": ("a",) * 3}, ValueError, "keys must be 1, 2 or 4 names"),
        ({"x": X, "y": LABELS[:3]}, {}, ValueError, r"x and y must have the same .*\(4, 5\), \(3,"),
        ({"x": X, "y": 1}, {}, ValueError, "x and y must have the same number of examples"),
        ({"x": X.astype(str), "y": LABELS}, {}, TypeError, "x must be real numbers, got dtype <U"),
        ({"x": X, "y": LABELS + 0j}, {}, TypeError, "y must be real numbers, got dtype complex128"),
        ({"x": X, "y": LABELS + 2**40}, {}, ValueError, "y must fit 32 bits"),
        (
            {"x": X, "y": [0, 1.5, 0, 0]},
            {"targets": "labels"},
            ValueError,
            "y must be labels .*who",
        ),
        ({"x": X, "y": -LABELS}, {"targets": "labels"}, ValueError, "not whole or below 0"),
        ({"x": X, "y": X[:, :2]}, {"targets": "one_hot"}, ValueError, "that are not one-hot"),
        ({"x": X, "y": X[..., None]}, {"targets": "labels"}, ValueError, r"got shape \(4, 5, 1\)"),
        (
            {"x": X, "y": LABELS},
            {"targets": "one_hot", "classes": 2},
            ValueError,
            "at least 3 here",
        ),
        ({"x": X, "y": LABELS}, {"classes": 3}, ValueError, "targets beside classes must be 'one_"),
        ({"x": X, "y": LABELS}, {"targets": "hot"}, ValueError, "targets must be None or 'labels'"),
        ({"x": X, "y": LABELS}, {"scale": 1}, TypeError, "scale must be True or False, got 1"),
        ({"x": np.array([None] * 4), "y": LABELS}, {}, ValueError, "cannot be read: Object arrays"),
    ],
)
def test_malformed_npz_files_are_refused(npz, arrays, options, kind, message):
    with pytest.raises(kind, match=f"load_npz: .*{message}"):
        load_npz(npz(**arrays), **options)


def test_what_is_no_npz_file_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(FileNotFoundError, match="^load_npz: path must lead to a file, .*not there"):
        load_npz(path)
    with pytest.raises(FileNotFoundError, match="which is something else"):
        load_npz(tmp_path)
    with pytest.raises(TypeError, match="^load_npz: path must be a path, got a int"):
        load_npz(3)
    for content in (b"", b"text", b"PK\3\4broken"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"^load_npz: .*a\.npz"):
            load_npz(path)
    with path.open("wb") as file:
        np.save(file, X)
    with pytest.raises(ValueError, match="^load_npz: path must lead to an npz file"):
        load_npz(path)
    with pytest.raises(ValueError, match=r"^save_npz: path must end in \.npz, got 'a.txt'"):
        save_npz("a.txt", Split(X, LABELS))
    with pytest.raises(TypeError, match=r"^save_npz: train and test must be pairs \(x, y\)"):
        save_npz(path, X)


# ------------------------------------------------------------------------------------------ idx

CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}


def idx(array, dtype="u1"):
    """The bytes of an idx file, by the format's description."""
    array = np.asarray(array)
    head = struct.pack(f">HBB{array.ndim}I", 0, CODES[dtype], array.ndim, *array.shape)
    return head + array.astype(dtype).tobytes()


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_an_idx_file_of_every_dtype(tmp_path, dtype, compress):
    array = RNG.integers(0, 100, (2, 3, 4)) / (2 if "f" in dtype else 1)
    (tmp_path / "a").write_bytes(compress(idx(array, dtype)))
    found = read_idx(tmp_path / "a")
    np.testing.assert_array_equal(found, array)
    assert found.dtype == np.dtype(dtype).newbyteorder("=")


@pytest.fixture
def mnist(tmp_path):
    files = {
        "train-images-idx3-ubyte": idx(np.arange(24).reshape(4, 2, 3)),
        "train-labels-idx1-ubyte": idx(LABELS),
        "t10k-images-idx3-ubyte": idx(np.full((1, 2, 3), 255)),
        "t10k-labels-idx1-ubyte": idx([9]),
    }

    def write(rename=str, compress=bytes, **others):
        for name, content in (files | others).items():
            (tmp_path / rename(name)).write_bytes(compress(content))
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("rename", "compress"),
    [
        (str, bytes),
        ("{}.gz".format, gzip.compress),
        (lambda name: name.replace("-idx", ".idx"), bytes),
        (lambda name: f"emnist-letters-{name.replace('t10k', 'test')}", bytes),
    ],
)
def test_the_four_files_of_mnist(mnist, rename, compress):
    train, test = load_idx(mnist(rename, compress))
    np.testing.assert_allclose(train.x, np.arange(24).reshape(4, 2, 3) / 255, 1e-6)
    assert (train.y.tolist(), test.y.tolist(), test.x.min()) == ([2, 0, 1, 2], [9], 1)
    assert (train.x.dtype, train.y.dtype) == (np.float32, np.int32)


def test_a_file_beside_its_compressed_copy_is_taken_once(mnist):
    mnist("{}.gz".format, gzip.compress)
    train, _ = load_idx(mnist(), scale=False)
    assert (train.x.max(), train.x.dtype) == (23, np.int32)


def test_malformed_idx_files_are_refused(mnist, tmp_path):
    with pytest.raises(
        FileNotFoundError, match="^load_idx: path must lead to a folder, .*not ther"
    ):
        load_idx(tmp_path / "none")
    with pytest.raises(
        FileNotFoundError, match="must hold the train images, .*got an empty folder"
    ):
        load_idx(tmp_path)
    folder = mnist()
    (folder / "train-images-idx3-ubyte.old").write_bytes(b"")
    with pytest.raises(ValueError, match="must hold one file of train images, got train-images"):
        load_idx(folder)
    (folder / "train-images-idx3-ubyte.old").unlink()
    wrong = {
        "t10k-labels-idx1-ubyte": (idx([1, 2]), "test images and labels must have the same"),
        "train-labels-idx1-ubyte": (
            idx(LABELS / 2, ">f4"),
            r"train labels must be integers \(N,\)",
        ),
        "t10k-images-idx3-ubyte": (idx(np.ones((1, 2, 2))), "images must have one shape in both"),
        "train-images-idx3-ubyte": (idx(np.ones((4, 2, 3)))[:-1], "must have 40 bytes .* got 39"),
    }
    for name, (content, message) in wrong.items():
        with pytest.raises(ValueError, match=message):
            load_idx(mnist(**{name: content}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "path must lead to an idx file, .* begins with 0x$"),
        (b"\0\0\x0a\1\0\0\0\0", "begins with 0x00000a01"),
        (b"text of a file", "begins with 0x74657874"),
        (b"\0\0\x08\2\0\0\0\1", "bytes for shape"),
        (idx([1, 2]) + b"\0", "must have 10 bytes for shape .* got 11"),
        (gzip.compress(idx([1, 2]), mtime=0)[:-6], "got a broken gzip"),
    ],
)
def test_what_is_no_idx_file_is_refused(tmp_path, content, message):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match=f"^read_idx: .*{message}"):
        read_idx(tmp_path / "a")
