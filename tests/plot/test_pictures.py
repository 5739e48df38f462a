"""Pictures."""

import numpy as np

import pyneurons_yat as pn
from pyneurons_yat.plot import training


def read_picture(path):
    """The pixels of a picture; matplotlib is imported where it is used, as that takes a second."""
    import matplotlib.image

    return matplotlib.image.imread(path)


def test_the_picture_shows_the_prototypes_that_vote_most(tmp_path):
    """One black pixel per prototype: the picture has it in the row of the class it votes for."""
    history = pn.History({k: [1.0, 0.5] for k in ("loss", "validation_loss")})
    accuracy = {k: [0.9, 0.95] for k in ("accuracy", "validation_accuracy")}
    history = pn.History(history.columns | accuracy)
    kernel = np.zeros((64, 20))
    path = training(tmp_path / "p.png", {"one": history}, (kernel + 1, np.eye(20, 10), (8, 8)))
    blank = read_picture(path)
    kernel[:, 3] = 5
    path = training(tmp_path / "p.png", {"one": history}, (kernel + 1, np.eye(20, 10), (8, 8)))
    assert (read_picture(path) != blank).any()


def test_curves_alone_are_a_picture_too(tmp_path):
    history = pn.History({k: [1.0, 0.5] for k in ("loss", "validation_loss")})
    assert read_picture(training(tmp_path / "p.png", {"one": history})).std() > 0.05
