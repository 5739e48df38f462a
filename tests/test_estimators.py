"""The estimators as scikit-learn sees them, and how well they learn beside its own."""

import pickle

import numpy as np
import optax
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, make_circles, make_friedman1
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import pyneurons_yat as pn
from pyneurons_yat.estimators import YatClassifier, YatRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
WORDS = np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)]
BRIEF = {"hidden_layer_sizes": (4,), "epochs": 3, "random_state": 0}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("estimator", [YatClassifier, YatRegressor])
def test_scikit_learns_own_checks_pass_without_an_exception(estimator):
    results = check_estimator(estimator(epochs=40), on_fail=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert failed == {}
    assert not any(r["expected_to_fail"] for r in results)
    assert sum(r["status"] == "passed" for r in results) > 45


def test_it_is_the_network_that_fit_trains_on_standardized_features():
    model = YatClassifier(**BRIEF, optimizer=optax.sgd, weight_decay=0.0, batch_size=40).fit(
        X, WORDS
    )
    z = (X - X.mean(0)) / X.std(0)
    logits = np.asarray(model.model_(z.astype(np.float32)), np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), shares, 1e-5)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), shares, 1e-5)
    assert model.predict(X).tolist() == np.array(["no", "yes"])[shares.argmax(1)].tolist()
    assert model.score(X, WORDS) == np.mean(model.predict(X) == WORDS)
    assert isinstance(model.model_, pn.Model)
    assert len(model.loss_curve_) == model.n_iter_ == model.history_.epochs == 3
    assert pn.count(model.model_) == 3 * 4 + 3 * 4 + 4 * 2 + 2


def test_targets_are_answered_in_their_own_units_and_shape():
    y = 1000 + 5 * X[:, :2]
    for targets in (y, y[:, 0]):
        model = YatRegressor(**BRIEF).fit(X, targets)
        z = ((X - X.mean(0)) / X.std(0)).astype(np.float32)
        wanted = np.asarray(model.model_(z)).reshape(targets.shape) * targets.std(0) + targets.mean(
            0
        )
        np.testing.assert_allclose(model.predict(X), wanted, 1e-6)


def test_weight_decay_is_decoupled_for_every_optimizer():
    options = {**BRIEF, "epochs": 1, "batch_size": 40, "optimizer": optax.sgd, "learning_rate": 0.1}
    plain = YatRegressor(**options, weight_decay=0.0).fit(X, X[:, 0]).model_
    decayed = YatRegressor(**options, weight_decay=2.0).fit(X, X[:, 0]).model_
    start = YatRegressor(**{**options, "learning_rate": 1e-30}, weight_decay=0.0).fit(X, X[:, 0])
    for one, other, first in zip(plain, decayed, start.model_, strict=True):
        expected = np.asarray(one.kernel) - 0.1 * 2.0 * np.asarray(first.kernel)
        np.testing.assert_allclose(other.kernel, expected, rtol=1e-5, atol=1e-6)


def test_steps_have_one_size_and_so_one_program():
    model = YatRegressor(**{**BRIEF, "batch_size": 13}).fit(X, X[:, 0])  # 4 steps of 10
    assert model.history_.epochs == 3
    short = YatRegressor(**{**BRIEF, "batch_size": 27}).fit(X[:39], X[:39, 0])  # 2 of 19
    assert np.isfinite(short.loss_curve_).all()


def test_early_stopping_keeps_the_best_epoch():
    noise = RNG.integers(0, 2, 40)
    options = {**BRIEF, "epochs": 200, "learning_rate": 0.1, "weight_decay": 0.0}
    model = YatClassifier(**options, early_stopping=True, n_iter_no_change=3).fit(X, noise)
    held_out = model.history_["validation_loss"]
    best = int(np.argmin(held_out))
    assert model.history_.best == best
    assert model.n_iter_ == best + 4 < 200


@pytest.mark.slow
def test_it_can_be_pickled_cloned_and_searched():
    model = YatClassifier(**BRIEF, optimizer=optax.sgd).fit(X, WORDS)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    np.testing.assert_array_equal(twin.fit(X, WORDS).predict_proba(X), model.predict_proba(X))
    other = clone(model).set_params(random_state=1).fit(X, WORDS)
    assert (other.predict_proba(X) != model.predict_proba(X)).any()
    pipeline = make_pipeline(StandardScaler(), YatClassifier(**BRIEF))
    grid = {"yatclassifier__hidden_layer_sizes": [(4,), (4, 3), ()]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, WORDS)
    assert len(search.cv_results_["mean_test_score"]) == 3
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_many_rows_are_answered_as_few_are():
    model = YatRegressor(**BRIEF).fit(X, X[:, 0])
    many = np.tile(X, (13, 1))
    np.testing.assert_allclose(model.predict(many), np.tile(model.predict(X), 13), 1e-6)
    np.testing.assert_allclose(model.predict(X[:1]), model.predict(X)[:1], 1e-6)


@pytest.mark.slow
def test_it_learns_what_a_linear_model_cannot():
    x, y = make_circles(400, noise=0.1, factor=0.5, random_state=0)
    model = YatClassifier(random_state=0).fit(x[:280], y[:280])
    assert model.score(x[280:], y[280:]) > 0.98
    assert LogisticRegression().fit(x[:280], y[:280]).score(x[280:], y[280:]) < 0.7


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_it_is_level_with_scikit_learns_networks():
    x, y = load_digits(return_X_y=True)
    parts = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)
    ours = YatClassifier(random_state=0).fit(parts[0], parts[2]).score(parts[1], parts[3])
    theirs = MLPClassifier((64,), max_iter=40, random_state=0).fit(parts[0], parts[2])
    assert ours > theirs.score(parts[1], parts[3]) - 0.01
    assert ours > 0.96
    x, y = make_friedman1(600, noise=1.0, random_state=0)
    ours = YatRegressor(random_state=0).fit(x[:420], y[:420]).score(x[420:], y[420:])
    theirs = make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(64,), random_state=0))
    assert ours > theirs.fit(x[:420], y[:420]).score(x[420:], y[420:])
    assert ours > 0.75


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"hidden_layer_sizes": "64"}, TypeError, "hidden_layer_sizes must be integers, got '64'"),
        ({"hidden_layer_sizes": (4, 0)}, ValueError, r"hidden_layer_sizes\[1\] must be at least 1"),
        ({"hidden_layer_sizes": (4.0,)}, TypeError, r"hidden_layer_sizes\[0\] must be an integer"),
        ({"epsilon": 0.0}, ValueError, "epsilon must be above 0 and finite, got 0.0"),
        ({"learning_rate": None}, TypeError, "learning_rate must be a Python number, got None"),
        ({"weight_decay": -1.0}, ValueError, "weight_decay must be at least 0 and finite"),
        ({"batch_size": "auto"}, TypeError, "batch_size must be an integer, got str"),
        ({"epochs": 0}, ValueError, "epochs must be at least 1, got 0"),
        ({"early_stopping": 1}, TypeError, "early_stopping must be True or False, got 1"),
        ({"validation_fraction": 0.0}, ValueError, "validation_fraction must be above 0"),
        ({"validation_fraction": 1.0}, ValueError, "validation_fraction must be from 0 to below 1"),
        ({"n_iter_no_change": 0}, ValueError, "n_iter_no_change must be at least 1, got 0"),
        ({"verbose": 2}, TypeError, "verbose must be True or False, got 2"),
        (
            {"optimizer": "adam"},
            TypeError,
            "optimizer must be a function of the learning rate, got",
        ),
    ],
)
def test_parameters_out_of_range_are_refused(options, kind, message):
    with pytest.raises(kind, match=f"^YatClassifier: {message}"):
        YatClassifier(**options).fit(X, WORDS)


def test_other_misuse_is_refused():
    with pytest.raises(ValueError, match="^YatClassifier: y must have at least two classes, got 1"):
        YatClassifier().fit(X, np.ones(40))
    with pytest.raises(ValueError, match="^train_test_split: test_share must leave examples in"):
        YatRegressor(early_stopping=True).fit(X[:4], X[:4, 0])
    with pytest.raises(pn.DivergenceError, match="lower the learning rate"):
        YatRegressor(**BRIEF, learning_rate=1e30, optimizer=optax.sgd).fit(X, X[:, 0])
    with pytest.raises(AttributeError, match="has no attribute 'estimator'"):
        pn.estimator  # noqa: B018
    assert pn.estimators.YatClassifier is YatClassifier
