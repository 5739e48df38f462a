"""What the commands do: they train, save, evaluate, predict and inspect."""

import csv
import gzip
import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.command_line import main
from pyneurons_yat.command_line.inspection import version

ROOT = Path(__file__).parent.parent.parent


def run(line, capsys):
    """Runs a command in this process; returns what it printed."""
    assert main(["--no-progress", *line.split()] if line.startswith("--") else line.split()) == 0
    return capsys.readouterr().out


def in_a_new_process(*words):
    """Runs a command as a user does: no 64 bits, no debugging flags."""
    command = [sys.executable, "-m", "pyneurons_yat", *map(str, words)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def blobs(tmp_path_factory):
    """Two classes, apart, in an npz as nerva keeps them and in a csv."""
    folder = tmp_path_factory.mktemp("blobs")
    rng = np.random.default_rng(0)
    y = np.arange(96) % 2
    x = rng.normal(size=(96, 4)) * 0.3 + np.where(y, 1, -1)[:, None]
    np.savez(folder / "blobs.npz", Xtrain=x[:64], Ttrain=y[:64], Xtest=x[64:], Ttest=y[64:])
    lines = ["a,b,c,d,kind", *(f"{','.join(map(str, r))},{['no', 'yes'][k]}"
                               for r, k in zip(x, y, strict=True))]  # fmt: skip
    (folder / "blobs.csv").write_text("\n".join(lines))
    np.savez(folder / "inputs.npz", x=x)
    np.savetxt(folder / "inputs.csv", x, delimiter=",")
    return folder


@pytest.mark.slow
def test_the_main_job_saves_what_another_process_evaluates_and_predicts_with(tmp_path):
    model, picture, log = (tmp_path / name for name in ("m.safetensors", "p.png", "run.jsonl"))
    written = in_a_new_process("--epochs", 30, "--save-weights", model, "--plot", picture,
                               "--log", log, "--no-progress")  # fmt: skip
    lines = written.splitlines()
    assert lines[0].split() == ["epoch", "loss", "accuracy", "test", "loss", "test", "accuracy",
                                "seconds"]  # fmt: skip
    assert [int(line.split()[0]) for line in lines[1:31]] == [*range(1, 31)]
    told = next(line for line in lines if line.startswith("test ")).partition("  (")
    accuracy = float(told[0].split()[-1])
    assert accuracy >= 0.97
    evaluated = in_a_new_process("evaluate", model)
    assert evaluated.partition("  (")[0] == told[0]
    answers = in_a_new_process("predict", model).split()
    _, test = pn.data.digits()
    assert answers[0] == "class"
    assert round(np.mean(np.array(answers[1:], int) == test.y), 4) == accuracy
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert rows[0]["options"]["layers"] == "YatDense;Linear"
    assert rows[-1]["epoch"] == 30
    assert rows[-1]["validation_accuracy"] == pytest.approx(accuracy, abs=1e-4)
    assert picture.stat().st_size > 10_000


@pytest.mark.slow
def test_a_network_by_names_learns_from_an_npz(blobs, tmp_path, capsys):
    line = (
        f"--dataset {blobs}/blobs.npz --layers SReLU;BatchNormalization;Linear --layer-sizes 4;6;2 "
        "--layer-weights XavierNormal --optimizers Nesterov(0.9) --learning-rate "
        "MultiStepLR(0.1;2,5;0.1) --loss SquaredError --epochs 6 --batch-size 16 --seed 3 "
        f"--dropouts 0.1 --augment noise(deviation=0.05) --save-weights {tmp_path}/m.npz "
        f"--save-data {tmp_path}/d.npz --gradient-step 1e-4 --info"
    )
    printed = run(line, capsys)
    assert "BatchNorm" in printed
    assert float(printed.partition("gradients differ by ")[2].split()[0]) < 1e-5
    assert "accuracy 1.0000" in printed
    again = run(f"evaluate {tmp_path}/m.npz --dataset {tmp_path}/d.npz --loss SquaredError", capsys)
    last = next(line for line in printed.splitlines() if line.startswith("test "))
    assert again.partition("  (")[0] == last.partition("  (")[0]
    more = run(f"{line} --load-weights {tmp_path}/m.npz --no-statistics --no-shuffle", capsys)
    assert "epoch" not in more
    assert "accuracy 1.0000" in more


@pytest.mark.slow
def test_a_csv_of_words_is_trained_on_evaluated_and_answered(blobs, tmp_path, capsys):
    model, out = tmp_path / "m.npz", tmp_path / "answers.csv"
    line = f"--dataset {blobs}/blobs.csv --label kind --epochs 20 --save-weights {model}"
    assert "accuracy 1.0000" in run(line, capsys)
    answered = run(f"predict {model} --dataset {blobs}/blobs.csv --out {out} --scores", capsys)
    assert answered.startswith("96 answers in ")
    rows = [*csv.reader(out.read_text().splitlines())]
    assert rows[0] == ["output0", "output1"]
    best = np.array(rows[1:], float).argmax(1)
    for name, label in (("inputs.npz", "-1"), ("inputs.csv", "none")):
        answered = run(f"predict {model} --dataset {blobs}/{name} --label {label}", capsys)
        assert [*map(int, answered.split()[1:])] == [*best]
    np.testing.assert_array_equal(best, np.arange(96) % 2)  # "no" sorts before "yes"


@pytest.mark.slow
def test_numbers_are_learned_as_numbers(tmp_path, capsys):
    x = np.linspace(-1, 1, 40)
    (tmp_path / "line.csv").write_text("\n".join(f"{a:.4f},{2 * a + 0.5:.4f}" for a in x))
    printed = run(
        f"--dataset {tmp_path}/line.csv --layers Linear --optimizers adam --learning-rate 0.1 "
        "--epochs 60 --batch-size 8",
        capsys,
    )
    last = printed.splitlines()[-1].split()
    assert last[:2] == ["test", "loss"]
    assert last[3] == "mae"
    assert float(last[4]) < 0.01


@pytest.mark.slow
def test_a_sparse_network_moves_its_weights_and_keeps_their_number(blobs, tmp_path, capsys):
    line = (
        f"--dataset {blobs}/blobs.npz --layers ReLU;YatDense;Linear --layer-sizes 4;16;16;2 "
        f"--overall-density 0.5 --epochs 4 --save-weights {tmp_path}/m.npz "
    )
    kept, moved = [], []
    for more in ("", "--prune SET(0.5) --grow Random --grow-weights Xavier --clip 0.01"):
        run(line + more, capsys)
        model = pn.load(tmp_path / "m.npz")
        kept.append(pn.count(pn.select(model, "indices")))
        moved.append(np.asarray(model[0].kernel.indices))
    assert kept[0] == kept[1] == 144  # 4, 4 and 16 of 4, 16 and 16 inputs
    assert (moved[0] != moved[1]).any()


@pytest.mark.slow
def test_epochs_may_each_have_a_file_of_their_own(blobs, tmp_path, capsys):
    with np.load(blobs / "blobs.npz") as file:
        x, y = file["Xtrain"], file["Ttrain"]
    for epoch in range(3):
        np.savez(tmp_path / f"epoch{epoch}.npz", x=x[epoch::3], y=y[epoch::3])
    line = f"--dataset {blobs}/blobs.npz --preprocessed {tmp_path} --epochs 3 --batch-size 11"
    assert run(line, capsys).splitlines()[3].split()[0] == "3"


@pytest.mark.slow
def test_a_folder_of_idx_files_is_trained_on(tmp_path, capsys):
    def write(name, array):
        sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
        content = bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()
        with gzip.open(tmp_path / f"{name}.gz", "wb") as file:
            file.write(content)

    labels = np.arange(30) % 3
    images = np.zeros((30, 2, 3))
    images[np.arange(30), 0, labels] = 255
    for part in ("train", "t10k"):
        write(f"{part}-images-idx3-ubyte", images)
        write(f"{part}-labels-idx1-ubyte", labels)
    line = f"--dataset {tmp_path} --epochs 30 --batch-size 10 --learning-rate 0.05"
    assert "accuracy 1.0000" in run(line, capsys)


def test_weights_of_nerva_are_loaded(tmp_path, blobs, capsys):
    rng = np.random.default_rng(1)
    weights = {"W1": rng.normal(size=(3, 4)), "b1": rng.normal(size=3),
               "W2": rng.normal(size=(2, 3)), "b2": rng.normal(size=2)}  # fmt: skip
    np.savez(tmp_path / "w.npz", **{k: v.astype(np.float32) for k, v in weights.items()})
    run(
        f"--dataset {blobs}/blobs.npz --layers ReLU;Linear --layer-sizes 4;3;2 --epochs 1 "
        f"--load-weights {tmp_path}/w.npz --learning-rate 0 --optimizers GradientDescent "
        f"--save-weights {tmp_path}/m.npz",
        capsys,
    )
    model = pn.load(tmp_path / "m.npz")
    with np.load(blobs / "blobs.npz") as file:
        x = file["Xtest"].astype(np.float64)
    hidden = np.maximum(x @ weights["W1"].T + weights["b1"], 0)
    wanted = hidden @ weights["W2"].T + weights["b2"]
    np.testing.assert_allclose(model(x.astype(np.float32)), wanted, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model of blobs, whose kernels are large enough to become smaller."""
    one, two = jax.random.split(jax.random.key(0))
    with jax.enable_x64(False):
        model = pn.sequential(pn.YatDense(one, 4, 600), pn.Linear(two, 600, 2))
    return pn.save(tmp_path_factory.mktemp("saved") / "model.npz", model)


@pytest.mark.slow
def test_a_program_answers_as_its_model_does(saved, blobs, tmp_path, capsys):
    pytest.importorskip("flatbuffers")
    with jax.enable_x64(False):
        told = run(f"export {saved} --to {tmp_path}/m.jax", capsys)
        assert told.startswith(f"{tmp_path}/m.jax  ")
        assert "bytes; the numbers of the model were 19,208" in told
        for command in ("evaluate", "predict"):
            line = f"--dataset {blobs}/blobs.npz --batch-size 10"
            answers = [run(f"{command} {m} {line}", capsys) for m in (saved, f"{tmp_path}/m.jax")]
            assert answers[0] == answers[1]


@pytest.mark.slow
def test_what_is_exported_is_pruned_and_narrow(saved, tmp_path, capsys):
    pytest.importorskip("flatbuffers")
    options = "--prune Magnitude(0.75) --quantize 8 --dtype float16"
    told = run(f"export {saved} --to {tmp_path}/s.npz {options}", capsys)
    assert told.startswith("75.0% of 3,600 weights are 0\n")
    model = pn.load(tmp_path / "s.npz")
    assert {leaf.dtype.name for leaf in jax.tree.leaves(model)} == {"float16"}
    kernels = [part.kernel for part in model]
    assert [float((np.asarray(kernel) == 0).mean()) for kernel in kernels] == [0.75, 0.75]
    inputs = "--inputs float32[n,4] --quantize 8 --dtype float32"
    run(f"export {saved} --to {tmp_path}/s.jax {inputs} --prune Threshold(0.001)", capsys)
    x = np.ones((3, 4), np.float32)
    small = pn.load_exported(tmp_path / "s.jax")(x)
    np.testing.assert_allclose(small, pn.load(saved)(x), rtol=0.2, atol=0.2)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_trained_model_of_the_zoo_becomes_onnx_of_a_third_of_its_size(tmp_path):
    pytest.importorskip("jax2onnx")
    printed = []
    for name, options in (("whole", ()), ("small", ("--quantize", 8))):
        path = tmp_path / f"{name}.onnx"
        in_a_new_process("export", "digits-mlp", "--to", path, *options)
        printed.append(in_a_new_process("evaluate", path).split())
    whole, small = (float(words[words.index("accuracy") + 1]) for words in printed)
    assert whole == pn.zoo.model_cards()["digits-mlp"]["figures"]["accuracy"]["value"]
    assert abs(small - whole) < 0.01
    sizes = [(tmp_path / f"{name}.onnx").stat().st_size for name in ("small", "whole")]
    assert sizes[0] < 0.4 * sizes[1]


def test_inspect_tells_what_a_file_holds(blobs, capsys):
    rows = run(f"inspect {blobs}/blobs.npz", capsys).splitlines()
    assert [row.split()[:2] for row in rows] == [
        ["Xtrain", "float64[64,"], ["Ttrain", "int64[64]"],
        ["Xtest", "float64[32,"], ["Ttest", "int64[32]"],
    ]  # fmt: skip
    assert "0 to 1, mean 0.5" in rows[1]
    assert run(f"inspect {blobs}/blobs.npz --shapes-only", capsys).splitlines()[1].endswith("[64]")


def test_a_learning_rate_that_is_too_high_is_one_line_and_exit_code_1(blobs, capsys):
    line = f"--dataset {blobs}/blobs.npz --layers Linear --loss mse --learning-rate 1e30"
    assert main([*line.split(), "--epochs", "3", "--no-progress"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "lower the learning rate" in error


def test_a_missing_extra_is_one_line_and_exit_code_1(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert main(["--epochs", "1"]) == 1
    assert 'pip install "pyneurons_yat[demo,io,export,onnx]"' in capsys.readouterr().err


def test_help_tells_every_default(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--help"])
    assert stopped.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for told in ("(default: YatDense;Linear)", "(default: 60)", "(default: digits)", "--augment"):
        assert told in text


def test_doctor_tells_versions_devices_and_what_is_missing(capsys, monkeypatch):
    monkeypatch.setattr(
        "pyneurons_yat.command_line.inspection.version",
        lambda n: None if n == "nmn" else version(n),
    )
    assert main(["doctor"]) == 0
    rows = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert rows["jax"] == jax.__version__
    assert rows["pyneurons_yat"] == pn.__version__
    assert rows["backend"] == jax.default_backend()
    assert rows["devices"] == ", ".join(str(device) for device in jax.devices())
    assert rows["default"].split() == ["dtype", "float64"]  # the suite computes in 64 bits
    assert rows["nmn"] == 'missing: pip install "pyneurons_yat[peers]"'
