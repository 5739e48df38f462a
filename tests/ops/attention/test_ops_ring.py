"""Attention around a ring of devices."""

import pytest
from devices import run_on_devices


@pytest.mark.slow
def test_ring_attention():
    """Values and gradients over a sequence on eight devices are those of the whole sequence."""
    run_on_devices(8, __file__, "ring_devices.py")
