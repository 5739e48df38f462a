"""The memory that a model takes: created, trained a step, saved and loaded by large_model.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("large_model.py")
LEAST, MOST = {"create": 1, "step": 0, "save": 0, "load": 1}, 0.4
"""Sizes of the model above what there was before; so much more may be at work."""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory as Linux tells it")
def test_no_process_has_a_sharded_model_twice():
    pytest.importorskip("safetensors")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(SCRIPT), "200"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    _, *found = map(json.loads, ran.stdout.splitlines())
    assert [one["what"] for one in found] == list(LEAST)
    for one in found:
        assert LEAST[one["what"]] <= one["peak"] <= one["with files"] < LEAST[one["what"]] + MOST
