"""train in several processes: the same numbers, and an end in time when one of them is gone.

    PYNEURONS_YAT_KILLS=10 python -m pytest -n0 tests/command_line/test_processes.py -k random

kills a process ten times; the suite does so once.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

KILLS = int(os.environ.get("PYNEURONS_YAT_KILLS", "1"))
PATIENCE = 30  # seconds in which all must have ended
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with a data set of two classes."""
    folder = tmp_path_factory.mktemp("processes")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(480, 12)).astype(np.float32)
    y = (np.sin(3 * x[:, 0]) + x[:, 1] > 0).astype(int)
    np.savez(folder / "data.npz", Xtrain=x[:400], Ttrain=y[:400], Xtest=x[400:], Ttest=y[400:])
    return folder


def started(here, *more, **environment):
    """A process that trains a network with batch norm and dropout on the data set."""
    line = (
        "train --dataset data.npz --layers YatDense;BatchNorm;Linear --layer-sizes 12;24;2 "
        "--dropouts 0.1;0 --optimizers Momentum(0.9) --learning-rate 0.01 --batch-size 16 "
        "--no-progress"
    )
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(sys.path),
        **environment,
    }
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "pyneurons_yat", *line.split(), *map(str, more)]
    return subprocess.Popen(command, cwd=here, env=environment, stdout=pipe, stderr=pipe, text=True)


def run(here, *more, **environment):
    """What it prints, when it has ended well."""
    process = started(here, *more, **environment)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    return out


@pytest.fixture(scope="module")
def alone(here):
    """What one process prints, and the weights that it comes to in four epochs."""
    return run(here, "--epochs", 4, "--save-weights", "alone.npz"), here / "alone.npz"


def ended(process, within=PATIENCE):
    """The exit code and what was printed on standard error; how long that took does not matter."""
    _, err = process.communicate(timeout=within)
    return process.returncode, err


def children(process):
    """The processes that a launcher has started, in their order."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return sorted(map(int, listed))


def gone(number, within=PATIENCE):
    """Whether a process ends in time."""
    until = time.monotonic() + within
    while Path(f"/proc/{number}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    return not Path(f"/proc/{number}").exists()


def waited(path, process):
    """Waits until a file is there."""
    until = time.monotonic() + 200
    while not path.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    assert path.exists(), process.communicate()


def weights(path):
    """The numbers of a file by name."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files if name != "__metadata__"}


def same(one, other, tolerance):
    one, other = weights(one), weights(other)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], tolerance, tolerance, err_msg=name)


def free_address():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return f"localhost:{free.getsockname()[1]}"


def test_two_and_four_processes_train_to_what_one_does(here, alone):
    wanted, path = alone
    for count in (2, 4):
        name = f"{count}.npz"
        printed = run(here, "--epochs", 4, "--processes", count, "--save-weights", name)
        same(path, here / name, 1e-6)
        lines = printed.splitlines()
        assert [line.split()[0] for line in lines] == ["epoch", "1", "2", "3", "4", "test", "model"]
        for line, other in zip(lines[1:5], wanted.splitlines()[1:5], strict=True):
            assert line.split()[:5] == other.split()[:5]


def test_a_run_whose_process_is_killed_at_a_random_step_goes_on_as_if_it_had_not_been(here):
    safe_open = pytest.importorskip("safetensors").safe_open
    options = ("--epochs", 12, "--no-statistics")
    run(here, *options, "--processes", 2, "--save-weights", "whole.npz")
    kept, slowest = here / "kept.safetensors", 0.0
    for attempt in range(KILLS):
        kept.unlink(missing_ok=True)
        victim, pause = attempt % 2, random.uniform(0, 3)
        keep = ("--checkpoint", kept.name, "--checkpoint-steps", 3)
        process = started(here, *options, "--processes", 2, *keep)
        waited(kept, process)
        time.sleep(pause)
        killed, start = children(process), time.monotonic()
        os.kill(killed[victim], signal.SIGKILL)
        code, err = ended(process)
        slowest = max(slowest, time.monotonic() - start)
        with safe_open(kept, "numpy") as file:
            step = int(file.get_tensor(".step"))
        print(f"process {victim} killed at step {step}, all ended in {slowest:.1f} s or less")
        assert code == 1
        assert err == (
            f"python -m pyneurons_yat train: error: process {victim} of 2 was ended by SIGKILL; "
            f"the others were ended; go on with --resume {kept.name}, which holds step {step}\n"
        )
        assert all(gone(one, 1) for one in killed)
        go_on = (*options, "--resume", kept.name)
        run(here, *go_on, "--save-weights", "by-one.npz")
        same(here / "whole.npz", here / "by-one.npz", 1e-6)
        run(here, *go_on, *keep, "--processes", 2, "--save-weights", "resumed.npz")
        same(here / "whole.npz", here / "resumed.npz", 0)
        assert not [path for path in here.iterdir() if path.name.endswith(".part")]


def test_what_was_kept_in_one_layout_goes_on_in_another(here, alone):
    """Two processes with two devices each, of which each has a part of the model."""
    keep = ("--checkpoint", "cut.safetensors", "--checkpoint-steps", 3)
    two = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    cut = ("--processes", 2, "--layout", "fsdp")
    run(here, "--epochs", 2, *cut, *keep, "--save-weights", "cut2.npz", **two)
    go_on = ("--epochs", 4, "--resume", "cut.safetensors", "--save-weights")
    run(here, *go_on, "cut-then-uncut.npz")
    same(alone[1], here / "cut-then-uncut.npz", 1e-6)
    run(here, *go_on, "cut4.npz", *cut, **two)
    same(alone[1], here / "cut4.npz", 1e-6)


def test_members_that_nobody_launched_end_when_one_is_gone(here):
    for victim in range(2):
        place = ("--processes", 2, "--coordinator", free_address(), "--process-id")
        keep = ("--epochs", 4000, "--no-statistics", "--checkpoint", f"by-hand{victim}.npz")
        both = [started(here, *keep, *place, number) for number in range(2)]
        waited(here / f"by-hand{victim}.npz", both[0])
        both[victim].kill()
        code, err = ended(both[1 - victim])
        assert code in (3, -signal.SIGABRT), err  # JAX may end it before Python can say why
        if code == 3:
            assert "another process is gone" in err.splitlines()[-1]
        ended(both[victim])


def test_members_end_together_after_an_epoch_when_one_is_told_to(here):
    """As schedulers do, some seconds before they kill."""
    place = ("--processes", 2, "--coordinator", free_address(), "--process-id")
    keep = ("--epochs", 4000, "--no-statistics", "--checkpoint", "told.npz")
    both = [started(here, *keep, *place, number) for number in range(2)]
    waited(here / "told.npz", both[0])
    both[1].terminate()
    for process in both:
        code, err = ended(process)
        assert code == 1, err
        assert "error: told to end by SIGTERM; go on with --resume told.npz" in err.splitlines()[-1]


def test_a_process_that_no_longer_answers_is_not_waited_for(here):
    process = started(here, "--processes", 2, "--epochs", 4000, "--checkpoint", "stopped.npz")
    waited(here / "stopped.npz", process)
    both = children(process)
    os.kill(both[1], signal.SIGSTOP)
    code, err = ended(process)
    assert code == 1
    assert "error: process 1 of 2 no longer answers; the others were ended; go on with" in err
    assert all(gone(one, 1) for one in both)


def test_the_processes_end_with_the_one_that_started_them(here):
    for how, told in ((signal.SIGTERM, "interrupted; go on with --resume"), (signal.SIGKILL, "")):
        name = f"ended-{how.name}.npz"
        process = started(here, "--processes", 2, "--epochs", 4000, "--checkpoint", name)
        waited(here / name, process)
        both = children(process)
        process.send_signal(how)
        _, err = ended(process)
        assert told in err
        assert all(gone(one) for one in both)


def test_a_scheduler_tells_each_process_its_place(here, alone):
    """With what Open MPI says to the processes that it starts."""
    job = random.randrange(2**12) * 2**12
    shared = {
        "OMPI_MCA_orte_hnp_uri": f"{job}.0;tcp://127.0.0.1:34911",
        "OMPI_COMM_WORLD_SIZE": "2",
    }
    both = [
        started(
            here,
            *("--processes", "scheduler", "--epochs", 4, "--save-weights", "scheduled.npz"),
            OMPI_COMM_WORLD_RANK=str(number),
            OMPI_COMM_WORLD_LOCAL_RANK=str(number),
            **shared,
        )
        for number in range(2)
    ]
    printed = [process.communicate(timeout=200) for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    assert [len(out.splitlines()) for out, _ in printed] == [7, 0]
    same(alone[1], here / "scheduled.npz", 1e-6)


def test_what_is_written_wrong_is_told_once_by_all_processes(here):
    process = started(here, "--processes", 2, "--loss", "Squared")
    code, err = ended(process, 100)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "a loss must be one of" in err


def test_weights_are_pruned_and_logged_as_in_one_process(here):
    sparse = ("--layers", "ReLU;Linear", "--layer-sizes", "12;24;2", "--dropouts", 0)
    grown = ("--overall-density", 0.5, "--prune", "SET(0.3)", "--grow", "Random", "--epochs", 3)
    for count in (1, 2):
        where = ("--save-weights", f"sparse{count}.npz", "--log", f"log{count}.jsonl")
        run(here, *sparse, *grown, *where, "--clip", 0.001, "--processes", count)
    same(here / "sparse1.npz", here / "sparse2.npz", 1e-6)
    assert [len((here / f"log{n}.jsonl").read_text().splitlines()) for n in (1, 2)] == [4, 4]
