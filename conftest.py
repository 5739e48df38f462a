"""The conditions every test runs under; they say what the library promises to hold in.

Tests compute in 64 bits; a rank promotion is an error, and so is drawing twice from one key.
Examples in docstrings and in the README run as a reader runs them: with JAX's own defaults.
"""

import contextlib
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import jax
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
os.environ.setdefault("MPLBACKEND", "Agg")

# Most of the suite's time goes into compiling small programs that run once, so they are compiled
# quickly and badly; the fixture `optimized` is for tests that look at what XLA makes of a program.
# XLA's older emitters of fused loops and one module per program take half as long for the same
# results; JAX 0.11 has them no more. And there is little garbage among millions of live objects.
jax.config.update("jax_disable_most_optimizations", True)
gc.set_threshold(200_000, 50, 100)
if jax.__version_info__[:2] == (0, 10):
    quick = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {quick}"

# Compiling takes its time, every run tries the same examples, and none is written to disk.
hypothesis.settings.register_profile("suite", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("suite")

DATA = Path(os.environ.get("PYNEURONS_YAT_DATA", Path(__file__).parent.parent / "shared" / "data"))


@pytest.fixture(autouse=True)
def conditions(request: pytest.FixtureRequest) -> Iterator[None]:
    """Refuse a key that is drawn from twice; give examples the defaults a reader has."""
    with contextlib.ExitStack() as stack:
        if isinstance(request.node, pytest.DoctestItem):
            stack.enter_context(jax.enable_x64(False))
            stack.enter_context(jax.numpy_rank_promotion("allow"))
        stack.enter_context(jax.debug_key_reuse(True))
        yield


@pytest.fixture
def optimized() -> Iterator[None]:
    """Compile as users do: for a test that measures memory or operations, or reads a program."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture
def data() -> Callable[[str], Path]:
    """A function from the name of a data file to its path; it skips the test if there is none."""

    def find(name: str) -> Path:
        if not (DATA / name).is_file():
            pytest.skip(f"no data file {DATA / name}: set PYNEURONS_YAT_DATA to its folder")
        return DATA / name

    return find
