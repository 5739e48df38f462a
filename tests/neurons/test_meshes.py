"""Layers on meshes with explicit axes, inside of shard_map, and with sequences on devices."""

import pytest
from devices import run_on_devices


@pytest.mark.slow
def test_meshes_of_layers():
    """Values and gradients with a batch that lies on four devices."""
    run_on_devices(4, __file__, "four_devices.py")


@pytest.mark.slow
def test_every_family_in_shard_map():
    """Values and gradients with a batch that is divided among four devices."""
    run_on_devices(4, __file__, "mapped_devices.py")


@pytest.mark.slow
def test_sequences_on_devices():
    """Layers and a transformer that trains, a sequence on four devices; edges of graphs."""
    run_on_devices(8, __file__, "sequence_devices.py")


@pytest.mark.slow
def test_memory_falls_with_devices():
    """At a length of 16,384 one of eight devices wants a sixth of what one alone does."""
    run_on_devices(8, __file__, "memory_devices.py")
