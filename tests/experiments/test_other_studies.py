"""Guidance and linear attention at tiny sizes, and that both see what is there to see."""

import jax
import numpy as np
import pytest

from pyneurons_yat.experiments import guidance, linear_attention, report


@pytest.mark.slow
def test_guidance_finds_the_rate_at_which_a_network_learns(tmp_path):
    how = {"epsilons": (0.1,), "widths": (8,), "rates": (1e-6, 1e-2), "epochs": 3}
    with jax.enable_x64(False):
        study = guidance.study(None, 2, **how)
    yat, relu = study.rows
    assert yat.label == "Yat, epsilon 0.1, width 8, rates 0.01"
    assert relu.label == "ReLU, width 8, rates 0.01"
    assert min(yat.values + relu.values) > 40
    assert report.draw(study.picture, tmp_path / "a.svg").stat().st_size > 1000


@pytest.mark.slow
def test_more_features_come_nearer_to_exact_attention(tmp_path):
    how = {"counts": (128, 512), "head_sizes": (4,), "length": 32}
    with jax.enable_x64(False):
        study = linear_attention.study(None, 3, **how)
    means = {row.label: np.mean(row.values) for row in study.rows}
    few, many = (means[f"shift 1, head size 4: Yat, {n} features"] for n in (128, 512))
    assert many < few < means["shift 1, head size 4: mean of the values"]
    assert report.draw(study.picture, tmp_path / "a.svg").stat().st_size > 1000
