"""What is no name, no known name, or has other arguments is refused in one clear line."""

import jax
import pytest

import pyneurons_yat as pn
from pyneurons_yat import by_name


@pytest.mark.parametrize(
    ("find", "text", "message"),
    [
        (by_name.optimizer, "Momentun(0.9)", "an optimizer must be one of GradientDescent, Momentum"
         ", .* got 'Momentun'; did you mean Momentum\\?"),
        (by_name.optimizer, "momentum(0.9)", "did you mean Momentum\\?"),
        (by_name.optimizer, "Momentum", r"must be \(mu, learning_rate\), got \(\); miss"),
        (by_name.optimizer, "Momentum(0.9, 0.8)", r"got \(0.9, 0.8\); too many"),
        (by_name.optimizer, "Momentum(0.9, eta=1)", "unexpected keyword argument 'eta'"),
        (by_name.optimizer, "Momentum(fast)", "mu must be a number, got 'fast'"),
        (by_name.optimizer, "Momentum(True)", "mu must be a number, got True"),
        (by_name.optimizer, "Momentum(1.5)", "mu must be between 0 and 1, got 1.5"),
        (by_name.optimizer, "adam(0.1)", "multiple values for argument 'learning_rate'"),
        (by_name.optimizer, "adam(nesterov=1)", "nesterov must be True or False, got 1"),
        (by_name.optimizer, 0.1, "a name must be text, got a float"),
        (by_name.schedule, "Cosine(0.1)", "a learning rate must be one of Constant, TimeBased"),
        (by_name.schedule, "Constant(-1)", "Constant: lr must be at least 0 and finite, got -1"),
        (by_name.schedule, -0.5, "lr must be at least 0 and finite, got -0.5"),
        (by_name.schedule, "nan", "lr must be at least 0 and finite, got nan"),
        (by_name.schedule, "StepBased(1,0.5,0)", "change_rate must be above 0 and finite, got 0"),
        (by_name.schedule, "TimeBased(0.1)", "missing a required argument: 'decay'"),
        (by_name.schedule, "MultiStepLR(0.1;5,2;0.1)", r"growing numbers of epochs, got \(5, 2\)"),
        (by_name.schedule, "MultiStepLR(0.1;0.5;0.1)", r"growing numbers of epochs, got \(0.5,\)"),
        (by_name.schedule, "MultiStepLR(0.1,2,5,0.1)", "too many positional arguments"),
        (by_name.initializer, "Xavierr", "initializer must be one of .* did you mean Xavier"),
        (by_name.initializer, "Normal(0, -1)", "b must be at least 0 and finite, got -1"),
        (by_name.initializer, "XavierNormal(2)", "arguments of XavierNormal must be none, got"),
        (by_name.initializer, "variance_scaling(1, 2, normal)", "mode must be a word, got 2"),
        (by_name.loss, "SquareError", "a loss must be one of .* did you mean SquaredError"),
        (by_name.loss, "huber(0.5)", "too many positional arguments"),
        (by_name.pruning, "Magnitud(1)", "a rule of pruning must be one of Magnitude, SET"),
        (by_name.pruning, "SET(2)", "share must be between 0 and 1, got 2"),
        (by_name.activation, "SReLU(slope=1)", r"must be \(al=0.0, tl=0.0, ar=0.0, tr=1.0\)"),
        (by_name.layer, "Dense", "a layer must be one of Linear, BatchNormalization, .* ReLU"),
        (by_name.layer, "AllReLU", "missing a required argument: 'alpha'"),
        (by_name.layer, "YatDense(epsilom=1)", "unexpected keyword argument 'epsilom'"),
        (by_name.layer, "YatDense(use_bias=no)", "use_bias must be True or False, got 'no'"),
    ],
)  # fmt: skip
def test_a_wrong_name_tells_what_is_right(find, text, message):
    given = [0.1] if find is by_name.optimizer else []
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        find(text, *given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "Momentum(", "Momentum)", "Momentum(0.9", "Momentum(0.9);", "Momentum(0.9)(1)", "a.b(1)",
     "Momentum(*x)", "Momentum(**x)", "Momentum(mu=1, mu=1)", "Momentum({1: 2})", "Momentum(1+1j)",
     "Momentum(f(x))", "lambda: 1", "1", "not a name", "Momentum(0.9)\0"],
)  # fmt: skip
def test_what_is_no_name_is_refused(text):
    with pytest.raises(ValueError, match=r"optimizer: a name must be NAME or NAME\(arguments\)"):
        by_name.optimizer(text, 0.1)


@pytest.mark.parametrize(
    ("layers", "sizes", "options", "message"),
    [
        ("ReLU;Linear", "4;8", {}, "sizes must be 3, that of the input and the outputs of 2"),
        ("ReLU;Linear", "4;8;two", {}, "sizes must be integers, got"),
        ("ReLU;Linear", "4;8;0", {}, "the size at 2 must be at least 1, got 0"),
        ("ReLU;;Linear", "4;8;2;2", {}, "a name must be NAME"),
        (["ReLU", 3], "4;8;2", {}, "a name must be text, got a int"),
        (3, "4;8;2", {}, "layers must be a Sequence, got a int"),
        ("ReLU;Linear", "4;8;2", {"weights": "Zero;Zero;Zero"}, "weights must be one or 2"),
        ("ReLU;Linear", "4;8;2", {"dropouts": "0.1;0.1;0"}, "dropouts must be one or 2"),
        ("ReLU;Linear", "4;8;2", {"dropouts": "1.5"}, "rate must be between 0 and 1, got 1.5"),
        ("ReLU;Linear", "4;8;2", {"dropouts": "few"}, "dropouts must be numbers, got"),
        ("ReLU;Linear", "4;8;2", {"densities": "0.1;0.1;1"}, "densities must be one or 2"),
        ("ReLU;Linear", "4;8;2", {"densities": 0.0}, "density must be above 0"),
        ("LSTM", "4;8", {"densities": 0.1}, "density must be 1 for LSTM, which has no sparse"),
        ("ReLU", "4;8", {"densities": 0.1, "overall_density": 0.1}, "densities must be left out"),
        ("Embed", "4;8", {"weights": "Zeros"}, "did you mean zeros"),
        ("YatFeatures", "4;8", {"weights": "Zero"}, "weights must be left out for YatFeatures"),
    ],
)  # fmt: skip
def test_a_network_that_does_not_fit_is_refused(layers, sizes, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        by_name.network(jax.random.key(0), layers, sizes, **options)


def test_optimizers_that_do_not_fit_are_refused():
    model = jax.eval_shape(
        lambda key: by_name.network(key, "ReLU;Linear", "4;8;2"), jax.random.key(0)
    )
    with pytest.raises(
        ValueError, match=r"texts must be one or 2, one per part that trains, got 3"
    ):
        by_name.optimizers(model, "adam;adam;adam", 0.1)
    with pytest.raises(ValueError, match=r"learning_rates must be one or 2"):
        by_name.optimizers(model, "adam", [0.1, 0.2, 0.3])
    with pytest.raises(TypeError, match=r"missing a required argument: 'learning_rate'"):
        by_name.optimizers(model, "adam")
    with pytest.raises(TypeError, match=r"optimizers: model must be a Model, got a str"):
        by_name.optimizers("model", "adam", 0.1)  # pyright: ignore[reportArgumentType]


def test_a_layer_with_outputs_wants_their_number():
    with pytest.raises(TypeError, match=r"layer: outputs must be given for ReLU, got None"):
        by_name.layer("ReLU")(jax.random.key(0), 3)
    assert isinstance(by_name.layer("LayerNorm")(jax.random.key(0), 3), pn.Model)
