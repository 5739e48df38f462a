"""load puts arrays where those of `like` are: on several devices, and in several processes."""

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FOUR = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=4"}


KINDS = [".npz", *([".safetensors"] if importlib.util.find_spec("safetensors") else [])]


@pytest.fixture
def paths(tmp_path):
    """A path of each kind: a process tries all, as most of its time is its start."""
    return [tmp_path / f"model{suffix}" for suffix in KINDS]


def start(script, *args, **environment):
    command = [sys.executable, str(HERE / script), *args]
    pipe = subprocess.PIPE
    environment = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.slow
def test_every_shard_goes_to_its_device_alone(paths):
    out, err = start("sharded_files.py", *map(str, paths), **FOUR).communicate()
    assert out == "done\n" * len(paths), err


@pytest.mark.slow
def test_two_processes_write_one_file_and_read_it(paths):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    both = [
        start("two_processes.py", address, str(i), *map(str, paths), JAX_PLATFORMS="cpu")
        for i in range(2)
    ]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert out.endswith("done\n")  # gloo tells of itself before
