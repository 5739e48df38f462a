"""What is written wrong is one line that says so, and exit code 2."""

import jax
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.command_line import main

HERE = "{here}"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder of files, good and bad."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 3)), np.arange(12) % 3
    np.savez(folder / "good.npz", x=x, y=y)
    np.savez(folder / "alone.npz", x=x)
    np.savez(folder / "other.npz", pictures=x, names=y)
    np.savez(folder / "uneven.npz", x=x, y=y[:5])
    np.savez(folder / "negative.npz", x=x, y=y - 1)
    np.savez(folder / "weights.npz", W1=x, b1=y)
    (folder / "broken.npz").write_bytes(b"no archive")
    (folder / "broken.safetensors").write_bytes(b"no model")
    (folder / "empty.csv").write_text("")
    (folder / "words.csv").write_text("a,b\n1,2\nx,3\n")
    (folder / "good.csv").write_text("a,b\n1,2\n3,4\n5,6\n")
    (folder / "text.txt").write_text("text")
    (folder / "empty").mkdir()
    state = ["--checkpoint", str(folder / "state.npz")]
    main(["--epochs", "2", "--layers", "Linear", "--no-statistics", "--no-progress", *state])
    (folder / "broken.jax").write_bytes(b"no program")
    pn.save(folder / "model.npz", pn.Linear(jax.random.key(0), 3, 2))
    pn.save(folder / "norm.npz", pn.LayerNorm(3))
    return folder


WRITTEN = [
    ("--epochs 0", "argument --epochs: must be an integer of at least 1, got '0'"),
    ("--epochs many", "argument --epochs: must be an integer of at least 1, got 'many'"),
    ("--batch-size -3", "argument --batch-size: must be an integer of at least 1, got '-3'"),
    ("--seed 4294967296", "argument --seed: must be from 0 to 4294967295, got '4294967296'"),
    ("--seed x", "argument --seed: must be from 0 to"),
    ("--test-share 1", "argument --test-share: must be a number above 0 and below 1, got '1'"),
    ("--test-share none", "argument --test-share: must be a number above 0"),
    ("--clip nan", "argument --clip: must be a number above 0, got 'nan'"),
    ("--gradient-step 0", "argument --gradient-step: must be a number above 0, got '0'"),
    ("--overall-density 2", "argument --overall-density: must be a number above 0 and at most 1"),
    ("--grow Upwards", "argument --grow: invalid choice: 'Upwards'"),
    ("--nothing 3", "unrecognized arguments: --nothing 3"),
    ("--epoch 3", "unrecognized arguments: --epoch 3"),
    ("--epochs", "argument --epochs: expected one argument"),
    ("paint", "invalid choice: 'paint'"),
    ("train digits", "unrecognized arguments: digits"),
    ("evaluate", "the following arguments are required: model"),
    ("inspect", "the following arguments are required: file"),
    ("export", "the following arguments are required: model, --to"),
    ("export {here}/model.npz", "the following arguments are required: --to"),
    ("export m.npz --to a.jax --quantize 1", "argument --quantize: must be from 2 to 16, got '1'"),
    ("export m.npz --to a.jax --dtype int8", "argument --dtype: invalid choice: 'int8'"),
    ("export m.npz --to a.pt", "--to must end in .jax or .onnx or .safetensors or .npz, got"),
    ("export m.npz --to {here}/no/a.jax", "--to: there is no folder"),
    ("export digits --to a.jax", "model must be a file or one of char-gpt, cora, digits-mlp"),
    ("export {here}/nowhere.npz --to a.jax", "there is no file"),
    ("export {here}/good.npz --to {here}/a.jax", "good.npz"),
    (
        "export {here}/model.npz --to {here}/a.jax --inputs 3",
        "--inputs must be as in float32[b,64]",
    ),
    ("export {here}/model.npz --to {here}/a.jax --inputs real[b,3]", "--inputs must have a dtype"),
    ("export {here}/model.npz --to {here}/a.jax --inputs float32[b,4]", "the last axis of x must"),
    ("export {here}/model.npz --to {here}/a.jax --inputs float32[b,-]", "--inputs must be as in"),
    (
        "export {here}/model.npz --to {here}/b.npz --inputs float32[b,3]",
        "--inputs must come with a",
    ),
    ("export {here}/norm.npz --to {here}/a.jax", "--inputs must tell what the model takes"),
    ("export {here}/model.npz --to {here}/a.jax --prune Most(0.5)", "a rule of pruning must be"),
    ("export {here}/model.npz --to {here}/a.jax --prune Magnitude(2)", "share must be"),
    ("export {here}/norm.npz --to {here}/b.npz --prune SET(0.5)", "must fit something"),
    ("doctor --epochs 3", "unrecognized arguments: --epochs 3"),
    ("--layers YatDens;Linear", "did you mean YatDense?"),
    ("--layers Linear;", "a name must be NAME or NAME(arguments)"),
    ("--layers YatDense(epsilon=small);Linear", "the arguments of YatDense must be"),
    ("--layers LeakyReLU(0.1,0.2);Linear", "the arguments of LeakyReLU must be"),
    ("--layer-sizes 64;10", "sizes must be 3"),
    ("--layer-sizes 64;x;10", "sizes must be integers, got ['64', 'x', '10']"),
    ("--layer-sizes 63;32;10", "--layer-sizes must begin with 64 and end with 10"),
    ("--layer-sizes 64;0;10", "the size at 1 must be"),
    ("--layer-weights Xavier2", "an initializer must be one of"),
    ("--layer-weights Zero;Zero;Zero", "weights must be one or 2"),
    ("--dropouts 0.1;0.2;0.3", "dropouts must be one or 2"),
    ("--dropouts 2", "rate must be"),
    ("--densities 0.5 --overall-density 0.5", "densit"),
    ("--optimizers Momentun(0.9)", "did you mean Momentum?"),
    ("--optimizers Momentum", "the arguments of Momentum must be (mu, "),
    ("--optimizers Momentum(3)", "mu must be"),
    ("--learning-rate fast", "a learning rate must be one of"),
    ("--learning-rate TimeBased(0.1)", "the arguments of TimeBased must be (lr, decay)"),
    ("--learning-rate 0.1;0.2;0.3", "learning_rates must be one or 2"),
    ("--loss Squared", "a loss must be one of"),
    ("--augment spin", "an augmentation must be one of random_shift"),
    ("--augment noise(deviation=high)", "the arguments of noise must be"),
    ("--prune Magnitude", "the arguments of Magnitude must be (share)"),
    ("--prune Magnitude(0.2)", "--prune must come with sparse layers"),
    ("--grow Random", "--grow must come with --prune"),
    ("--dataset nowhere.npz", "there is no file or folder nowhere.npz"),
    ("--dataset {here}/text.txt", "--dataset must be a .npz or .csv file or a folder, got"),
    ("--dataset {here}/alone.npz", "must hold targets beside inputs"),
    ("--dataset {here}/good.csv --label none", "must hold targets beside inputs"),
    ("--dataset {here}/other.npz", "pictures"),
    ("--dataset {here}/uneven.npz", "12"),
    ("--dataset {here}/negative.npz", "labels must be at least 0, got -1"),
    ("--dataset {here}/broken.npz", "broken.npz"),
    ("--dataset {here}/empty.csv", "empty.csv"),
    ("--dataset {here}/words.csv", "words.csv"),
    ("--dataset {here}/good.csv --label c", "c"),
    ("--dataset {here}/empty", "train-images"),
    ("--preprocessed {here}/empty --epochs 1", "epoch0.npz"),
    ("--load-weights {here}/weights.npz", "--load-weights must hold W1, W2, b1, b2, got W1, b1"),
    ("--load-weights {here}/nowhere.npz", "there is no file"),
    ("--load-weights {here}/broken.safetensors", "broken.safetensors"),
    ("--save-weights {here}/model.pkl", "--save-weights must end in .safetensors or .npz"),
    ("--save-weights {here}/no/model.npz", "--save-weights: there is no folder"),
    ("--plot {here}/picture.doc", "--plot must end in .png"),
    ("--log {here}/no/run.jsonl", "--log: there is no folder"),
    ("--save-data {here}/data.csv", "--save-data must end in .npz"),
    ("--threads 100000", "--threads must be at most"),
    ("--processes 0", "argument --processes: must be an integer of at least 1, got '0'"),
    ("--processes slurm", "argument --processes: must be an integer of at least 1 or scheduler"),
    ("--coordinator here", "argument --coordinator: must be HOST:PORT, got 'here'"),
    ("--coordinator here:0", "argument --coordinator: must be HOST:PORT, got 'here:0'"),
    ("--coordinator :8000", "argument --coordinator: must be HOST:PORT, got ':8000'"),
    ("--process-id -1", "argument --process-id: must be an integer of at least 0, got '-1'"),
    ("--process-id 0 --processes 2", "--coordinator HOST:PORT must come with --process-id I and"),
    ("--coordinator here:8000", "--coordinator HOST:PORT must come with --process-id I and"),
    ("--coordinator here:8000 --processes 2", "--coordinator HOST:PORT must come with --process"),
    ("--coordinator here:8000 --process-id 2 --processes 2", "--process-id must be below --proc"),
    ("--processes scheduler --process-id 1", "--processes scheduler must come without --coord"),
    ("--layout fsdp", "--layout fsdp must come with --processes"),
    ("--layout rows --processes 2", "argument --layout: invalid choice: 'rows'"),
    ("--processes 2 --checkpoint {here}/a.pkl", "--checkpoint must end in .safetensors or .npz"),
    ("--checkpoint {here}/no/a.npz", "--checkpoint: there is no folder"),
    ("--checkpoint-steps 3", "--checkpoint-steps must come with --checkpoint FILE"),
    ("--checkpoint-steps 0", "argument --checkpoint-steps: must be an integer of at least 1"),
    ("--resume {here}/nowhere.npz", "--resume: there is no file"),
    ("--processes 2 --resume {here}/nowhere.npz", "--resume: there is no file"),
    ("--resume {here}/good.npz", "good.npz"),
    ("--resume {here}/text.txt", "must end in .safetensors or .npz"),
    ("--resume {here}/state.npz --layer-sizes 64;9;10", "state.npz"),
    (
        "--resume {here}/state.npz --epochs 1 --layers Linear",
        "--epochs must be at least 2",
    ),
    ("--resume {here}/state.npz --batch-size 50 --layers Linear", "--batch-size must be that of"),
    ("--resume {here}/state.npz --load-weights {here}/good.npz", "--load-weights must be left out"),
    ("--resume {here}/state.npz --preprocessed {here}", "--preprocessed must be left out with"),
    ("evaluate {here}/nowhere.npz", "there is no file"),
    ("evaluate {here}/good.npz", "good.npz"),
    ("evaluate {here}/nowhere.jax", "there is no file"),
    ("evaluate {here}/broken.jax", "broken.jax is damaged, or was not written by export"),
    ("predict {here}/text.txt", "text.txt"),
    ("predict {here}/nowhere.onnx --dataset {here}/good.csv", "there is no file"),
    ("inspect {here}/nowhere.npz", "there is no file"),
    ("inspect {here}/text.txt", "the file must end in .npz, .safetensors or .csv"),
]


@pytest.mark.parametrize(("written", "told"), WRITTEN, ids=[written for written, _ in WRITTEN])
def test_what_is_written_wrong_is_one_line_and_exit_code_2(written, told, here, capsys):
    arguments = [word.format(here=here) for word in written.split()]
    try:
        code = main(arguments)
    except SystemExit as stopped:
        code = stopped.code
    printed = capsys.readouterr().err
    lines = [line for line in printed.splitlines() if line]
    assert code == 2, printed
    assert len(lines) == 1, printed
    assert lines[0].startswith("python -m pyneurons_yat")
    assert "error: " in lines[0]
    assert told in lines[0]
