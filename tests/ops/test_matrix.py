"""The table of matrix operations: of arrays and of symbols what NumPy says, and nerva."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pyneurons_yat.ops import matrix

RNG = np.random.default_rng(0)
X, Y, ROW, COLUMN = (RNG.normal(size=shape) for shape in ((2, 3), (2, 3), (1, 3), (2, 1)))
SQUARE = RNG.normal(size=(3, 3))
POSITIVE = RNG.uniform(0.1, 2, (2, 3))

TABLE = {
    "zeros": (lambda x: matrix.zeros(2, 4, like=x), lambda x: np.zeros((2, 4)), (X,)),
    "ones": (lambda x: matrix.ones(2, 4, like=x), lambda x: np.ones((2, 4)), (X,)),
    "identity": (lambda x: matrix.identity(3, like=x), lambda x: np.eye(3), (X,)),
    "hadamard": (matrix.hadamard, lambda x, y: x * y, (X, Y)),
    "diagonal": (matrix.diagonal, lambda x: np.diag(x)[:, None], (SQUARE,)),
    "diag": (matrix.diag, lambda x: np.diag(x[0]), (ROW,)),
    "diag-column": (matrix.diag, lambda x: np.diag(x[:, 0]), (COLUMN,)),
    "row_repeat": (lambda x: matrix.row_repeat(x, 4), lambda x: np.tile(x, (4, 1)), (ROW,)),
    "column_repeat": (
        lambda x: matrix.column_repeat(x, 4),
        lambda x: np.tile(x, (1, 4)),
        (COLUMN,),
    ),
    "elements_sum": (matrix.elements_sum, np.sum, (X,)),
    "columns_sum": (matrix.columns_sum, lambda x: x.sum(0)[None, :], (X,)),
    "rows_sum": (matrix.rows_sum, lambda x: x.sum(1)[:, None], (X,)),
    "columns_mean": (matrix.columns_mean, lambda x: x.mean(0)[None, :], (X,)),
    "rows_mean": (matrix.rows_mean, lambda x: x.mean(1)[:, None], (X,)),
    "columns_max": (matrix.columns_max, lambda x: x.max(0)[None, :], (X,)),
    "rows_max": (matrix.rows_max, lambda x: x.max(1)[:, None], (X,)),
    "apply": (lambda x: matrix.apply(lambda v: v * v + 1, x), lambda x: x * x + 1, (X,)),
    "exp": (matrix.exp, np.exp, (X,)),
    "log": (matrix.log, np.log, (POSITIVE,)),
    "sqrt": (matrix.sqrt, np.sqrt, (POSITIVE,)),
    "tanh": (matrix.tanh, np.tanh, (X,)),
    "reciprocal": (matrix.reciprocal, lambda x: 1 / x, (X,)),
    "square": (matrix.square, lambda x: x * x, (X,)),
    "power": (lambda x: matrix.power(x, 1.5), lambda x: x**1.5, (POSITIVE,)),
    "rsqrt": (lambda x: matrix.rsqrt(x, 0.5), lambda x: 1 / np.sqrt(x + 0.5), (POSITIVE,)),
    "log_sigmoid": (matrix.log_sigmoid, lambda x: -np.log(1 + np.exp(-x)), (X,)),
    "step": (matrix.step, lambda x: np.where(x > 0, 1, 0), (np.array([[-1.0, 0.0, 2.0]]),)),
    "absolute": (matrix.absolute, np.abs, (np.array([[-1.0, 0.0, 2.0]]),)),
    "clip": (lambda x: matrix.clip(x, -0.5, 1.0), lambda x: np.clip(x, -0.5, 1), (X,)),
}
WANTED = {
    name: np.asarray(known(*arguments), float) for name, (_, known, arguments) in TABLE.items()
}


def test_the_table_of_the_docstring_and_of_these_tests_is_the_module():
    named = {name.split("-")[0] for name in TABLE}
    made = {n for n, v in vars(matrix).items() if getattr(v, "__module__", "") == matrix.__name__}
    public = {n for n in made if not n.startswith(("_", "check_", "is_"))}
    assert named == public
    assert [name for name in named if f"`{name}" not in matrix.__doc__] == []


def test_of_arrays_it_is_what_numpy_says():
    @jax.jit
    def all_of_them(arguments):
        return {name: operation(*arguments[name]) for name, (operation, _, _) in TABLE.items()}

    got = all_of_them({name: tuple(map(jnp.asarray, args)) for name, (*_, args) in TABLE.items()})
    for name, wanted in WANTED.items():
        assert got[name].dtype == np.float64
        np.testing.assert_allclose(got[name], wanted, 1e-12, err_msg=name, strict=True)


@pytest.mark.parametrize("name", TABLE)
def test_of_symbols_it_is_what_numpy_says(name):
    sympy = pytest.importorskip("sympy", reason="needs the extra `symbolic`")
    operation, _, arguments = TABLE[name]
    symbols = [
        sympy.Matrix(*a.shape, lambda i, j, name=name: sympy.Symbol(f"{name}_{i}_{j}"))
        for name, a in zip("xy", arguments, strict=False)
    ]
    result = operation(*symbols)
    numbers = {
        s: n
        for m, a in zip(symbols, arguments, strict=True)
        for s, n in zip(m, a.flat, strict=True)
    }
    value = result.subs(numbers).evalf()
    got = np.array(value.tolist() if WANTED[name].shape else value, float)
    np.testing.assert_allclose(got, WANTED[name], 1e-12)


def test_a_matrix_made_from_nothing_is_of_the_kind_asked_for():
    sympy = pytest.importorskip("sympy", reason="needs the extra `symbolic`")
    assert matrix.ones(2, 3).dtype == jnp.ones(()).dtype
    assert matrix.zeros(2, 3, like=jnp.ones((1, 1), jnp.bfloat16)).dtype == jnp.bfloat16
    assert matrix.identity(2, like=sympy.eye(5)) == sympy.eye(2)
    kept = sympy.ImmutableMatrix([[1, 2]])
    assert type(matrix.row_repeat(kept, 2)) is type(matrix.exp(kept)) is type(kept)


def test_a_number_of_any_size_does_not_overflow():
    large = jnp.array([[-1e4, 1e4]])
    assert matrix.log_sigmoid(large).tolist() == [[-1e4, 0.0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: matrix.hadamard(X, ROW),
            r"hadamard: X and Y must have one shape, got \(2, 3\) an",
        ),
        (
            lambda: matrix.hadamard(X[0], X[0]),
            r"hadamard: X must be a matrix, got shape \(3,\); of",
        ),
        (
            lambda: matrix.row_repeat(X, 2),
            r"row_repeat: x must be a row \(1, n\), got shape \(2, 3",
        ),
        (lambda: matrix.row_repeat(X[0], 2), r"row_repeat: x must be a matrix, got shape \(3,\); "),
        (lambda: matrix.column_repeat(ROW, 2), r"column_repeat: x must be a column \(m, 1\), got "),
        (lambda: matrix.diagonal(X), r"diagonal: X must be square, got shape \(2, 3\)"),
        (lambda: matrix.diag(X), r"diag: x must be a row or a column, got shape \(2, 3\)"),
        (
            lambda: matrix.columns_sum(X[None]),
            r"columns_sum: X must be a matrix, got shape \(1, 2, 3\)",
        ),
        (lambda: matrix.exp(1.0), r"exp: X must be a matrix, got shape \(\); of a vector make"),
        (lambda: matrix.zeros(0, 3), "zeros: rows must be at least 1, got 0"),
        (lambda: matrix.identity(-1), "identity: size must be at least 1, got -1"),
    ],
)
def test_what_is_no_matrix_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_it_is_what_nerva_has():
    nerva = pytest.importorskip("nerva_jax.matrix_operations", reason="nerva-jax is a peer")
    both = {
        "hadamard": (X, Y), "diag": (SQUARE,), "Diag": (ROW,), "elements_sum": (X,),
        "columns_sum": (X,), "rows_sum": (X,), "columns_max": (X,), "rows_max": (X,),
        "columns_mean": (X,), "rows_mean": (X,), "exp": (X,), "log": (POSITIVE,),
        "sqrt": (POSITIVE,), "reciprocal": (X,), "square": (X,), "log_sigmoid": (X,),
    }  # fmt: skip
    ours = {"diag": "diagonal", "Diag": "diag"}

    @jax.jit
    def compared(arguments):
        return {
            name: (getattr(matrix, ours.get(name, name))(*a), getattr(nerva, name)(*a))
            for name, a in arguments.items()
        } | {
            "row_repeat": (matrix.row_repeat(ROW, 4), nerva.row_repeat(ROW, 4)),
            "column_repeat": (matrix.column_repeat(COLUMN, 4), nerva.column_repeat(COLUMN, 4)),
            "inv_sqrt": (matrix.rsqrt(POSITIVE, nerva.epsilon), nerva.inv_sqrt(POSITIVE)),
            "identity": (matrix.identity(3), nerva.identity(3)),
        }

    for name, (got, wanted) in compared(both).items():
        np.testing.assert_allclose(np.ravel(got), np.ravel(wanted), 1e-12, err_msg=name)
