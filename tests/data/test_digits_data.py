"""The digits."""

import numpy as np

from pyneurons_yat.data import digits


def test_digits_are_scikit_learns_and_none_is_lost():
    from sklearn.datasets import load_digits

    train, test = digits(test_share=0.25, seed=3)
    images, labels = load_digits(return_X_y=True)
    x, y = np.concatenate([train.x, test.x]), np.concatenate([train.y, test.y])
    assert len(test.y) == 450
    np.testing.assert_allclose(train.x.mean(), 0, atol=1e-5)
    np.testing.assert_allclose(train.x.std(), 1, atol=1e-5)
    step = np.diff(np.unique(np.round(x, 4))).min()  # one of the 16 steps of grey
    pixels = np.round((x - x.min()) / step)
    ours, theirs = np.column_stack([pixels, y]), np.column_stack([images, labels])
    np.testing.assert_array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])
    shares = np.bincount(test.y) / np.bincount(labels.astype(int))
    np.testing.assert_allclose(shares, 0.25, atol=0.01)
