"""Layers on meshes with explicit axes."""

import pytest
from devices import run_on_devices


@pytest.mark.slow
def test_meshes_of_layers():
    """Values and gradients with a batch that lies on four devices."""
    run_on_devices(4, __file__, "four_devices.py")
