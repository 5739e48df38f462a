"""The command of the experiments: its table, its files, and what it says of missing data."""

import json
import math
import statistics

import jax
import numpy as np
import pytest

import pyneurons_yat.experiments.command as command
from pyneurons_yat.experiments import Row, Study, report, sources


def toy(data, seeds=3):
    """A study that measures nothing."""
    values = [90.125 + seed for seed in range(seeds)]
    rows = (
        Row("accuracy", "%", values, 91.5, "a paper"),
        Row("parameters", "", (7850,)),
        Row("loss", "", (math.nan, 0.5, 0.25)),
    )
    return Study("toy", "Is it?", rows, {"steps": 3}, lambda figure: figure.subplots(), ("So.",))


@pytest.fixture
def toys(monkeypatch):
    monkeypatch.setitem(command.EXPERIMENTS, "toy", toy)


def test_a_study_is_printed_and_written_with_its_runs(toys, tmp_path, capsys):
    assert command.main(["toy", "--data", "x", "--seeds", "2", "--out", str(tmp_path / "a")]) == 0
    told = capsys.readouterr().out
    assert "90.62 ± 0.71" in told
    assert "90.12 to 91.12" in told
    assert "91.5 (a paper)" in told
    assert "3, 1 diverged" in told
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["toy.json", "toy.md", "toy.svg"]
    found = json.loads((tmp_path / "a" / "toy.json").read_text())
    assert found["command"] == "python -m pyneurons_yat.experiments toy --data FOLDER --seeds 2"
    assert found["rows"][0]["values"] == [90.125, 91.125]
    assert found["rows"][2]["values"] == [None, 0.5, 0.25]
    assert found["settings"] == {"steps": 3}
    assert set(found["machine"]) >= {"processor", "cores", "python"}
    assert found["machine"]["packages"]["jax"] == jax.__version__
    page = (tmp_path / "a" / "toy.md").read_text()
    assert "| accuracy | % | 90.62 ± 0.71 | 90.12 to 91.12 | 2 | 91.5 (a paper) |" in page
    assert "| parameters |  | 7,850 |  | 1 |  |" in page
    assert "- So." in page
    assert found["command"] in page


def test_sizes_are_set_and_told(toys, monkeypatch, tmp_path, capsys):
    told = {}

    def sized(data, seeds=1, *, steps=9, size="small", rate=0.1):
        told.update(steps=steps, size=size, rate=rate)
        return toy(data, seeds)

    monkeypatch.setitem(command.EXPERIMENTS, "toy", sized)
    line = ["toy", "--set", "steps=3,size=large,rate=1e-3", "--out", str(tmp_path)]
    assert command.main(line) == 0
    assert told == {"steps": 3, "size": "large", "rate": 1e-3}
    found = json.loads((tmp_path / "toy.json").read_text())["command"]
    assert found == f"{command.PROGRAM} toy --set steps=3,size=large,rate=0.001"
    capsys.readouterr()
    assert command.main(["toy", "--set", "step=3"]) == 2
    assert "unexpected keyword argument 'step'" in capsys.readouterr().err


def test_a_picture_is_the_same_file_each_time(tmp_path):
    one, two = (report.draw(toy(None).picture, tmp_path / f / "a.svg") for f in made(tmp_path))
    assert one.read_bytes() == two.read_bytes()


def made(folder):
    for name in ("one", "two"):
        (folder / name).mkdir()
        yield name


def test_mean_and_deviation_are_those_of_the_runs():
    values = (1.0, 2.0, 4.0)
    mean, spread = statistics.fmean(values), statistics.stdev(values)
    assert report.measured(Row("a", "", values)) == f"{mean:.1f} ± {spread:.1f}"
    assert report.measured(Row("a", "", (math.nan,))) == "all diverged"
    assert report.measured(Row("a", "", (0.0, 0.0))) == "0 ± 0"


@pytest.mark.parametrize(
    ("row", "message"),
    [(("a", "%", ()), "got none for a"), (("a", "%", (1,), 2.0), "must come together")],
)
def test_a_row_without_values_or_source_is_refused(row, message):
    with pytest.raises(ValueError, match=message):
        Row(*row)


def test_the_list_says_what_each_claims(capsys):
    assert command.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(command.EXPERIMENTS)
    assert all(len(line.split()) > 4 for line in lines)


@pytest.mark.parametrize(
    "line", [[], ["nothing"], ["toy", "--seeds", "0"], ["toy", "--sizes"], ["toy", "--set", "3"]]
)
def test_a_line_written_wrong_ends_with_two_and_one_line(toys, line, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(line)
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("folder", [[], ["--data", "no-such-folder"]])
def test_missing_data_names_the_file_and_where_it_is(folder, capsys):
    assert command.main(["prototypes", *folder]) == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert "mnist10k.npz" in told
    assert "https://" in told


def test_mnist_is_the_same_out_of_npz_and_idx_files(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (10_000, 28, 28), dtype=np.uint8)
    labels = (np.arange(10_000) % 10).astype(np.uint8)
    (tmp_path / "idx").mkdir()
    np.savez(tmp_path / "mnist10k.npz", images=images, labels=labels)
    heads = {sources.IMAGES: (images, b"\0\0\x08\x03"), sources.LABELS: (labels, b"\0\0\x08\x01")}
    for name, (array, head) in heads.items():
        sizes = np.array(array.shape, ">u4").tobytes()
        (tmp_path / "idx" / name).write_bytes(head + sizes + array.tobytes())
    (train, test), idx = sources.mnist(tmp_path), sources.mnist(tmp_path / "idx")
    assert train.x.shape == (8_000, 28, 28)
    assert test.y.dtype == np.int32
    np.testing.assert_allclose(test.x, images[8_000:] / np.float32(255))
    for one, two in zip([*train, *test], [*idx[0], *idx[1]], strict=True):
        np.testing.assert_array_equal(one, two)


def test_texts_are_read_under_either_name(tmp_path):
    for name in ("input.txt", "tinyshakespeare.txt"):
        (tmp_path / name).write_text(name)
        assert sources.shakespeare(tmp_path) == name
