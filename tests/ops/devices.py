"""Runs a script beside a test in a process with several host devices."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def run_on_devices(count: int, test: str, script: str) -> None:
    """Runs the script that lies beside the test's file, and fails with what it printed."""
    devices = f"--xla_force_host_platform_device_count={count}"
    flags = {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {devices}", "JAX_PLATFORMS": "cpu"}
    ran = subprocess.run(
        [sys.executable, str(pathlib.Path(test).with_name(script))],
        cwd=ROOT,
        env={**os.environ, **flags, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
