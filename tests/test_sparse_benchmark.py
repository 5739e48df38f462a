"""The suite of sparse layers runs, and compares like with like."""

import jax
import numpy as np
import pytest

from benchmarks import sparse
from benchmarks.harness import measure
from benchmarks.report import table


@pytest.mark.slow
def test_sparse_contenders_return_the_same_values_and_gradients(monkeypatch):
    for name, value in {"SIZES": (784, 12, 12, 10), "BATCH": 4, "EPOCHS": 1, "SEEDS": 2}.items():
        monkeypatch.setattr(sparse, name, value)
    product = sparse.product_case(3, 0.25, 8)
    (one, ours), (_, stored), (_, (x, values)) = (c.call() for c in product.contenders)
    for name, value in {"ours": ours, "stored": stored}.items():
        np.testing.assert_allclose(value[0], x, 1e-4, 1e-4, err_msg=name)
    step = sparse.step_case("Yat", 0.05)
    assert all(
        np.isfinite(leaf).all() for c in step.contenders for leaf in jax.tree.leaves(c.call())
    )
    memory = measure(sparse.memory_case("relu"), rounds=1).samples
    assert memory[sparse.OURS][0] < memory[sparse.DENSE][0]


@pytest.mark.slow
def test_sparse_accuracies_are_of_images_that_were_not_learned(tmp_path, monkeypatch):
    labels = np.resize(np.arange(10), 200).astype(np.uint8)
    images = 255 * (np.arange(784).reshape(28, 28) // 79 == labels[:, None, None])
    np.savez(tmp_path / "mnist10k.npz", images=images.astype(np.uint8), labels=labels)
    settings = {"SIZES": (784, 32, 16, 10), "DENSITY": 0.2, "SEEDS": 2, "EPOCHS": 20, "MOVING": 9}
    for name, value in {**settings, "BATCH": 40, "DATA": tmp_path}.items():
        monkeypatch.setattr(sparse, name, value)
    result = measure(sparse.accuracy_case("relu"), rounds=1)
    assert all(len(found) == 2 and min(found) > 0.5 for found in result.samples.values())
    assert "pyneurons_yat sparse - dense >= -1.0 %" in table(result)
    monkeypatch.setattr(sparse, "DATA", tmp_path / "none")
    assert "absent" in table(measure(sparse.accuracy_case("relu"), rounds=1))
