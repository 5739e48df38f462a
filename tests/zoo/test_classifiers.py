"""The classifiers of one hidden layer."""

import jax
import numpy as np

import pyneurons_yat as pn
from pyneurons_yat.zoo import relu_classifier, yat_classifier


def test_the_two_classifiers_are_of_equal_size():
    one, two = jax.random.split(jax.random.key(0))
    yat, relu = yat_classifier(one, 12, 7, 3), relu_classifier(two, 12, 7, 3)
    assert pn.count(yat) == pn.count(relu) == 12 * 7 + 7 + 7 * 3 + 3
    assert yat(np.ones((2, 12))).shape == relu(np.ones((2, 12))).shape == (2, 3)
