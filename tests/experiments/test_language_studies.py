"""Studies of GPTs at tiny sizes, and what their parts compute."""

import math

import jax
import numpy as np
import pytest

from pyneurons_yat.experiments import char_gpt, gpt, language, report

SIZES = {"blocks": 1, "features": 8, "heads": 2, "length": 8, "batch": 2, "steps": 4}
SONG = "row, row, row your boat gently down the stream. " * 30


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "input.txt").write_text(SONG)
    return tmp_path


def row(study, label):
    return next(row for row in study.rows if row.label.startswith(label))


def test_the_text_is_cut_at_nine_tenths(folder):
    text = language.read(folder)
    assert text.vocabulary.size == len(set(SONG))
    assert text.vocabulary.decode(np.r_[text.train, text.validation]) == SONG
    assert len(text.train) == len(SONG) * 9 // 10


def test_the_loss_is_the_mean_over_all_windows(folder):
    text, size = language.read(folder), language.Size(**SIZES)
    model = language.gpt(jax.random.key(0), text, size)
    count = (len(text.validation) - 1) // 8
    rows = np.stack([text.validation[8 * n : 8 * n + 9] for n in range(count)])
    scores = np.asarray(jax.jit(lambda model, x: model(x))(model, rows[:, :-1]), np.float64)
    chosen = np.take_along_axis(scores, rows[:, 1:, None], -1)[..., 0]
    wanted = np.mean(np.log(np.exp(scores).sum(-1)) - chosen)
    assert math.isclose(language.loss(model, text.validation, 8), wanted, rel_tol=1e-5)


@pytest.mark.slow
def test_gpt_measures_three_kinds(folder, tmp_path):
    study = gpt.study(folder, 2, rounds=3, repeats=1, **SIZES)
    losses = {
        kind: np.array(row(study, f"{kind}: validation loss").values) for kind in language.KINDS
    }
    assert all(np.all((loss > 0) & (loss < 4)) for loss in losses.values())
    for kind in ("Yat", "Yat neurons alone"):
        found = row(study, f"validation loss, {kind} less GELU").values
        np.testing.assert_allclose(found, losses[kind] - losses["GELU"])
        assert len(row(study, f"time of a step, {kind} over GELU").values) == 3
    sizes = [row(study, f"{kind}: parameters").values[0] for kind in language.KINDS]
    assert max(sizes) / min(sizes) < 1.05
    assert report.draw(study.picture, tmp_path / "gpt.svg").stat().st_size > 1000


def test_char_gpt_has_three_sizes(folder):
    study = char_gpt.study(folder, 1, size="medium", **SIZES)
    assert study.name == "char-gpt-medium"
    assert 0 < study.rows[0].values[0] < 4
    assert study.rows[-1].values == (2 * 8 * 4 / 1e6,)
    with pytest.raises(ValueError, match="size must be 'small' or 'medium' or 'large', got 'tiny'"):
        char_gpt.study(folder, size="tiny")


@pytest.mark.slow
def test_a_gpt_learns_a_song_by_heart(folder):
    with jax.enable_x64(False):
        size = language.Size(1, 16, 2, 16, 8, 300, rate=1e-2)
        assert language.train(language.read(folder), size, 0).loss < 0.5
