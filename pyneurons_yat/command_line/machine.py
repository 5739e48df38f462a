"""What a number was computed on: the processor, its cores, and the versions of packages."""

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax


def version(name: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def processor() -> str:
    """The name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def cores() -> int:
    """The cores that this process may use, which is how many threads XLA starts."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine(packages: Sequence[str]) -> dict[str, Any]:
    """The processor, the device, Python, and the versions of packages; None for an absent one."""
    return {
        "processor": processor(),
        "cores": cores(),
        "device": f"{jax.default_backend()} {jax.devices()[0].device_kind}",
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {package: version(package) for package in packages},
    }
