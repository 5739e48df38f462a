"""Estimators for scikit-learn: networks of Yat neurons, trained by `fit`.

`YatClassifier` and `YatRegressor` go wherever scikit-learn's own do: into pipelines, searches,
cross-validation, pickles. They need scikit-learn, which the extra `sklearn` brings; the package
imports this module when it is asked for.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import jax
import numpy as np
import optax
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .core import Model
from .data import train_test_split
from .learn import cross_entropy, fit, mse, predict
from .neurons import MLP, Linear, YatDense
from .ops.checks import (
    NOT_NEGATIVE,
    PART,
    POSITIVE,
    check_flag,
    check_numbers,
    check_sizes,
    is_known,
    is_several,
    told,
)

FEWEST_ROWS, MOST_ROWS = 2**8, 2**16
"""Rows are predicted at once as powers of two from the one to the other: few programs serve all."""


class YatNetwork(BaseEstimator):
    """What both estimators share: parameters, the network, how it learns and answers."""

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] | int = (64,),
        *,
        epsilon: float = 1.0,
        optimizer: Callable[[float], optax.GradientTransformation] = optax.adam,
        learning_rate: float = 5e-3,
        weight_decay: float = 0.5,
        batch_size: int = 64,
        epochs: int = 100,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        """Keeps the parameters as they are; `fit` checks them."""
        self.hidden_layer_sizes = hidden_layer_sizes
        self.epsilon = epsilon
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.epochs = epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.verbose = verbose

    @property
    def loss_curve_(self) -> list[float]:
        """The training loss of each epoch."""
        check_is_fitted(self)
        return self.history_["loss"]

    @property
    def n_iter_(self) -> int:
        """How many epochs were trained."""
        check_is_fitted(self)
        return self.history_.epochs

    def _learn(self, x: np.ndarray, y: np.ndarray, outputs: int, loss: Any, strata: Any) -> None:
        """Trains a network on examples and targets, which it takes as they are."""
        hidden = self._checked()
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        make, run, divide = jax.random.split(jax.random.key(seed), 3)
        self.scaler_, watched = StandardScaler().fit(x), {}
        x = self._scaled(x)
        if self.early_stopping:
            share = {"test_share": self.validation_fraction, "stratify": strata}
            (x, y), held_out = train_test_split(divide, x, y, **share)
            watched = {"validation": held_out, "monitor": "validation_loss"}
            watched["patience"] = self.n_iter_no_change
        steps = -(-len(x) // self.batch_size)
        self.model_, self.history_ = fit(
            _optimizer(self.optimizer, float(self.learning_rate), float(self.weight_decay)),
            _network(make, (x.shape[1], *hidden, outputs), float(self.epsilon)),
            x,
            y,
            loss=loss,
            epochs=self.epochs,
            batch_size=len(x) // steps,  # as many in each; fewer than there are steps are left out
            remainder="drop",
            key=run,
            progress=bool(self.verbose),
            **watched,
        )

    def _checked(self) -> tuple[int, ...]:
        """The sizes of the hidden layers; refuses parameters that are out of range."""
        name, hidden = type(self).__name__, self.hidden_layer_sizes
        hidden = (hidden,) if is_known(hidden) else hidden
        if not is_several(hidden):
            raise TypeError(f"{name}: hidden_layer_sizes must be integers, got {told(hidden)}")
        check_sizes(name, **{f"hidden_layer_sizes[{i}]": size for i, size in enumerate(hidden)})
        check_sizes(name, batch_size=self.batch_size, epochs=self.epochs)
        check_sizes(name, n_iter_no_change=self.n_iter_no_change)
        rates = {"epsilon": self.epsilon, "learning_rate": self.learning_rate}
        check_numbers(name, POSITIVE, static=True, **rates)
        check_numbers(name, NOT_NEGATIVE, static=True, weight_decay=self.weight_decay)
        for range_ in (POSITIVE, PART):
            check_numbers(name, range_, static=True, validation_fraction=self.validation_fraction)
        check_flag(name, early_stopping=self.early_stopping, verbose=self.verbose)
        if not callable(self.optimizer):
            raise TypeError(
                f"{name}: optimizer must be a function of the learning rate, got "
                f"{told(self.optimizer)}; pass, for example, optax.adam"
            )
        return tuple(map(int, hidden))

    def _scaled(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.scaler_.transform(x), np.float32)

    def _answers(self, x: Any) -> np.ndarray:
        """What the network says to each row, float64 (N, outputs)."""
        check_is_fitted(self)
        x = self._scaled(np.asarray(validate_data(self, x, reset=False)))
        rows = FEWEST_ROWS << max(-(-len(x) // FEWEST_ROWS) - 1, 0).bit_length()
        padded = np.pad(x, ((0, rows - len(x)), (0, 0)))
        answers = predict(self.model_, padded, batch_size=min(rows, MOST_ROWS))
        return answers[: len(x)].astype(np.float64)


class YatClassifier(ClassifierMixin, YatNetwork):
    """A classifier with hidden layers of Yat neurons and a linear layer of logits.

    Features are standardized as by `StandardScaler`. The network minimizes the cross entropy by
    `fit`, in batches of one size, in float32.

    Args:
        hidden_layer_sizes: Yat neurons of each hidden layer; without any the model is linear.
        epsilon: Of the Yat neurons, above 0, before they learn their own: the larger, the wider
            each responds.
        optimizer: A function from the learning rate to an optax optimizer. One that is defined in
            a module, such as `optax.lion`, can be pickled.
        learning_rate: Above 0.
        weight_decay: At least 0: each step shrinks all parameters by learning_rate * weight_decay.
        batch_size: At most so many examples per step. All steps of an epoch have the same number;
            what is left over, fewer examples than there are steps, changes from epoch to epoch.
        epochs: How many times to go through the data.
        early_stopping: Whether to hold out a part of the data, to keep the model of the epoch with
            the least loss there, and to end when it no longer falls.
        validation_fraction: The share that is held out, above 0 and below 1.
        n_iter_no_change: After how many epochs without a smaller loss training ends.
        random_state: A seed, a `RandomState`, or None for another network each time.
        verbose: Whether to show a progress bar, as `fit` does.

    Attributes:
        classes_: The labels, sorted.
        model_: The network, a `Model` of standardized features.
        scaler_: The `StandardScaler` of the features.
        history_: The `History` of training.
        loss_curve_: The training loss of each epoch.
        n_iter_: How many epochs were trained.
        n_features_in_: How many features there are.
        feature_names_in_: Their names, if all are words.

    Example:
        >>> from sklearn.datasets import make_moons
        >>> from pyneurons_yat.estimators import YatClassifier
        >>> x, y = make_moons(200, noise=0.1, random_state=0)
        >>> model = YatClassifier((16,), random_state=0).fit(x, y)
        >>> bool(model.score(x, y) > 0.95)
        True
        >>> model.predict_proba(x).shape
        (200, 2)
    """

    def fit(self, X: Any, y: Any) -> "YatClassifier":  # noqa: N803
        """Trains the network anew.

        Args:
            X: Features (N, features), real.
            y: Labels (N,) of at least two classes, numbers or words.

        Returns:
            The estimator.

        Raises:
            ValueError: If the data or a parameter is out of range.
            TypeError: If a parameter is of another kind, or X is sparse.
            DivergenceError: If a number becomes infinite or NaN.
        """
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        classes = len(self.classes_)
        if classes < 2:
            raise ValueError(
                f"YatClassifier: y must have at least two classes, got {classes} class"
            )
        labels = labels.astype(np.int32)
        self._learn(X, labels, classes, cross_entropy, labels)
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The likeliest label of each row of X (N, features)."""
        likeliest = self._answers(X).argmax(1)
        return self.classes_[likeliest]

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """How likely each class is, (N, classes) in the order of `classes_`."""
        return softmax(self._answers(X), axis=1)

    def predict_log_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """The logarithms of `predict_proba`."""
        return log_softmax(self._answers(X), axis=1)


class YatRegressor(MultiOutputMixin, RegressorMixin, YatNetwork):
    """A regressor with hidden layers of Yat neurons and a linear layer of as many as targets.

    Features and targets are standardized as by `StandardScaler`. The network minimizes the mean
    squared error of standardized targets by `fit`, in batches of one size, in float32.

    Args:
        hidden_layer_sizes: As for `YatClassifier`, like all that follow.
        epsilon: Of the Yat neurons.
        optimizer: A function from the learning rate to an optax optimizer.
        learning_rate: Of the optimizer.
        weight_decay: Of all parameters.
        batch_size: At most so many examples per step.
        epochs: How many times to go through the data.
        early_stopping: Whether to hold out a part of the data.
        validation_fraction: The share that is held out.
        n_iter_no_change: After how many epochs without a smaller loss training ends.
        random_state: A seed, a `RandomState` or None.
        verbose: Whether to show a progress bar.

    Attributes:
        target_scaler_: The `StandardScaler` of the targets; else as for `YatClassifier`.

    Example:
        >>> import numpy as np
        >>> from pyneurons_yat.estimators import YatRegressor
        >>> x = np.linspace(-2, 2, 200)[:, None]
        >>> model = YatRegressor((16,), random_state=0).fit(x, np.sin(3 * x[:, 0]))
        >>> bool(model.score(x, np.sin(3 * x[:, 0])) > 0.9)
        True
    """

    def fit(self, X: Any, y: Any) -> "YatRegressor":  # noqa: N803
        """Trains the network anew.

        Args:
            X: Features (N, features), real.
            y: Targets (N,) or (N, targets), real.

        Returns:
            The estimator.

        Raises:
            ValueError: If the data or a parameter is out of range.
            TypeError: If a parameter is of another kind, or X is sparse.
            DivergenceError: If a number becomes infinite or NaN.
        """
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True)
        self._target_shape = y.shape[1:]
        y = y.reshape(len(y), -1)
        self.target_scaler_ = StandardScaler().fit(y)
        targets = np.asarray(self.target_scaler_.transform(y), np.float32)
        self._learn(X, targets, y.shape[1], mse, None)
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The targets of each row of X (N, features), in the shape that `fit` was given."""
        answers = self._answers(X)
        y = self.target_scaler_.inverse_transform(answers)
        return y.reshape(len(y), *self._target_shape)


@lru_cache(maxsize=64)
def _optimizer(make: Any, rate: float, decay: float) -> optax.GradientTransformation:
    """The same object for the same parameters: programs are compiled for an optimizer."""
    return optax.chain(make(rate), optax.add_decayed_weights(-rate * decay))


@partial(jax.jit, static_argnums=(1, 2))
def _network(key: jax.Array, sizes: tuple[int, ...], epsilon: float) -> Model:
    """Yat layers, and a linear one on top."""
    layer = partial(YatDense, learnable_epsilon=True, epsilon=epsilon)
    return MLP(key, sizes, layer=layer, activation=None, last_layer=Linear)
