"""The command line and the rooms above: what a newcomer runs first."""

import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.__main__ import DEFAULTS, doctor, main, parsed, version
from pyneurons_yat.data import digits
from pyneurons_yat.plot import comparison
from pyneurons_yat.zoo import relu_classifier, yat_classifier

ROOT = Path(__file__).parent.parent


def read_picture(path):
    """The pixels of a picture; matplotlib is imported where it is used, as that takes a second."""
    import matplotlib.image

    return matplotlib.image.imread(path)


def test_the_main_job_reaches_its_accuracy_and_leaves_its_files(tmp_path):
    """In a process of its own, as a user runs it: no 64 bits, no debugging flags."""
    command = [sys.executable, "-m", "pyneurons_yat", "--out", str(tmp_path), "--epochs", "40"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[0].split() == ["network", "test", "accuracy", "parameters", "steps/s"]
    yat, relu = lines[1].split(), lines[2].split()
    assert yat[0] == "Yat"
    assert relu[0] == "ReLU"
    assert float(yat[1]) >= 0.97
    assert yat[2] == relu[2] == "4,810"
    assert "loaded back: 360 of 360" in ran.stdout
    like = yat_classifier(jax.random.key(5), 64, 64, 10)
    model = pn.load(tmp_path / "yat.safetensors", like=jax.eval_shape(lambda: like))
    _, test = digits(seed=0)
    right = np.argmax(np.asarray(model(test.x)), -1) == test.y
    assert round(float(right.mean()), 4) == float(yat[1])
    picture = read_picture(tmp_path / "digits.png")
    assert picture.shape[0] > 500
    assert picture.shape[1] > 1000
    assert picture.std() > 0.05


def test_npz_and_small_networks(tmp_path, capsys):
    options = ["--hidden", "16", "--epochs", "1", "--format", "npz", "--no-progress"]
    assert main(["digits", *options, "--out", str(tmp_path / "new" / "folder")]) == 0
    assert (tmp_path / "new" / "folder" / "yat.npz").exists()
    assert "1,210" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ([], {}),
        (["digits"], {}),
        (["--epochs", "1", "--hidden", "4", "digits"], {"epochs": 1, "hidden": 4}),
        (["--epochs", "1", "digits", "--hidden", "4"], {"epochs": 1, "hidden": 4}),
        (["--epochs", "1", "--no-progress", "digits", "--epochs", "2"], {"epochs": 2}),
        (["--no-progress", "digits"], {"no_progress": True}),
        (["digits", "--no-progress", "--seed", "4294967295"], {"seed": 2**32 - 1}),
        (["--weight-decay", "0"], {"weight_decay": 0.0}),
    ],
)
def test_options_count_before_the_command_and_behind_it(arguments, given):
    options = vars(parsed(arguments))
    assert options.pop("command") == ("digits" if "digits" in arguments else None)
    assert options == {**DEFAULTS, "no_progress": "--no-progress" in arguments, **given}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "argument --epochs: must be an integer of at least 1, not '0'"),
        (["--epochs", "many"], "argument --epochs: must be an integer of at least 1, not 'many'"),
        (
            ["--learning-rate", "nan"],
            "argument --learning-rate: must be a number above 0, not 'nan'",
        ),
        (["--learning-rate", "-1"], "argument --learning-rate: must be a number above 0, not '-1'"),
        (["--format", "pickle"], "argument --format: invalid choice: 'pickle'"),
        (["paint"], "argument command: invalid choice: 'paint'"),
        (
            ["digits", "--nothing"],
            "unknown option --nothing; the options are --help, --version, --hid",
        ),
        (["--nothing", "3"], "unknown option --nothing;"),
        (["--nothing=5", "doctor"], "unknown option --nothing;"),
        (["--weight-decay", "-1"], "argument --weight-decay: must be a number of at least 0, not"),
        (["doctor", "--epochs", "3"], "unrecognized arguments: --epochs 3"),
        (
            ["--epochs", "3", "--no-progress", "doctor"],
            "error: doctor takes no options, but --epochs, --no-progress came",
        ),
        (["--seed", "-1"], "argument --seed: must be an integer from 0 to 2^32 - 1, not '-1'"),
        (["digits", "--seed", "4294967296"], "must be an integer from 0 to 2^32 - 1, not '42949"),
    ],
)
def test_a_bad_option_is_one_line_and_exit_code_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert message in error
    assert error.count("\n") == 1


def test_a_folder_that_cannot_be_is_one_line_and_exit_code_1(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["--out", str(tmp_path / "file"), "--epochs", "1"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_learning_rate_that_is_too_high_is_one_line_and_exit_code_1(tmp_path, capsys):
    options = ["--learning-rate", "1e30", "--epochs", "1", "--hidden", "4", "--no-progress"]
    assert main([*options, "--out", str(tmp_path)]) == 1
    told, error = capsys.readouterr().err.splitlines()
    assert told == "training Yat"
    assert error.startswith("python -m pyneurons_yat: fit: ")
    assert "lower the learning rate" in error


def test_help_shows_what_an_option_is_if_it_is_not_given(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["digits", "--help"])
    assert stopped.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, default in DEFAULTS.items():
        if name != "no_progress":
            assert f"(default: {default})" in text.split(f"--{name.replace('_', '-')} ")[-1]


def test_a_missing_extra_is_one_line_and_exit_code_1(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert main(["--out", str(tmp_path), "--epochs", "1"]) == 1
    assert 'pip install "pyneurons_yat[demo,io]"' in capsys.readouterr().err


def test_doctor_tells_versions_devices_and_what_is_missing(capsys, monkeypatch):
    monkeypatch.setattr(
        "pyneurons_yat.__main__.version", lambda n: None if n == "nmn" else version(n)
    )
    assert doctor() == 0
    rows = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert rows["jax"] == jax.__version__
    assert rows["pyneurons_yat"] == pn.__version__
    assert rows["backend"] == jax.default_backend()
    assert rows["devices"] == ", ".join(str(device) for device in jax.devices())
    assert rows["default"].split() == ["dtype", "float64"]  # the suite computes in 64 bits
    assert rows["nmn"] == 'missing: pip install "pyneurons_yat[peers]"'


def test_digits_are_scikit_learns_and_none_is_lost():
    from sklearn.datasets import load_digits

    train, test = digits(test_share=0.25, seed=3)
    images, labels = load_digits(return_X_y=True)
    x, y = np.concatenate([train.x, test.x]), np.concatenate([train.y, test.y])
    assert len(test.y) == 450
    np.testing.assert_allclose(train.x.mean(), 0, atol=1e-5)
    np.testing.assert_allclose(train.x.std(), 1, atol=1e-5)
    step = np.diff(np.unique(np.round(x, 4))).min()  # one of the 16 steps of grey
    pixels = np.round((x - x.min()) / step)
    ours, theirs = np.column_stack([pixels, y]), np.column_stack([images, labels])
    np.testing.assert_array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])
    shares = np.bincount(test.y) / np.bincount(labels.astype(int))
    np.testing.assert_allclose(shares, 0.25, atol=0.01)


def test_the_two_classifiers_are_of_equal_size():
    one, two = jax.random.split(jax.random.key(0))
    yat, relu = yat_classifier(one, 12, 7, 3), relu_classifier(two, 12, 7, 3)
    assert pn.count(yat) == pn.count(relu) == 12 * 7 + 7 + 7 * 3 + 3
    assert yat(np.ones((2, 12))).shape == relu(np.ones((2, 12))).shape == (2, 3)


def test_the_picture_shows_the_prototypes_that_vote_most(tmp_path):
    """One black pixel per prototype: the picture has it in the row of the class it votes for."""
    history = pn.History({k: [1.0, 0.5] for k in ("loss", "validation_loss")})
    accuracy = {k: [0.9, 0.95] for k in ("accuracy", "validation_accuracy")}
    history = pn.History(history.columns | accuracy)
    kernel = np.zeros((64, 20))
    path = comparison(tmp_path / "p.png", {"one": history}, kernel + 1, np.eye(20, 10))
    blank = read_picture(path)
    kernel[:, 3] = 5
    path = comparison(tmp_path / "p.png", {"one": history}, kernel + 1, np.eye(20, 10))
    assert (read_picture(path) != blank).any()
