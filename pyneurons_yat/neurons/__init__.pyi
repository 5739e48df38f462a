"""How layers are called, for type checkers. Written by tools/stubs.py; do not edit."""

from collections.abc import Callable, Sequence
from typing import Any, overload

import jax
from jax.typing import ArrayLike, DTypeLike

from ..core import Box, Layer, Model
from .attention import AttentionCache, attention_cache, decode
from .dense import (
    PHI,
    Initializer,
    LinearParams,
    YatParams,
    answer,
    apply,
    attend,
    bias,
    create,
    draw,
    draw_factors,
    draw_linear,
    drawn,
    learned_epsilon,
    lecun_normal,
    one_program,
    param,
    settling,
    weight,
    yat_normal,
)
from .parameters import (
    cast,
    drop_connect,
    mask,
    positive,
    quantize,
    reinitialize,
    spectral_norm,
    stop,
    ternary,
    unit_norm,
    weight_norm,
)
from .recurrent import bind_cell, carry_of, initial_carry, scan_cell, stacked_states
from .sparse import to_dense, to_sparse

__all__ = [
    "AnchorFeatures",
    "AttentionCache",
    "BatchNorm",
    "Binary",
    "Conv",
    "ConvTranspose",
    "Dropout",
    "Einsum",
    "Embed",
    "GRU",
    "GRUCell",
    "GraphConv",
    "GroupNorm",
    "Initializer",
    "LSTM",
    "LSTMCell",
    "LayerNorm",
    "Linear",
    "LinearParams",
    "MLP",
    "MaclaurinFeatures",
    "MultiHeadAttention",
    "Neuron",
    "PHI",
    "PReLU",
    "PositionEmbed",
    "RMSNorm",
    "RNN",
    "RadialFeatures",
    "SReLU",
    "SimpleCell",
    "SparseLinear",
    "SparseYatDense",
    "Vector",
    "YatBatchNorm",
    "YatConv",
    "YatConvTranspose",
    "YatDense",
    "YatEmbed",
    "YatFeatures",
    "YatGRU",
    "YatGRUCell",
    "YatGraphAttention",
    "YatGraphConv",
    "YatLSTM",
    "YatLSTMCell",
    "YatLayerNorm",
    "YatMultiHeadAttention",
    "YatNMN",
    "YatParams",
    "YatSelfAttention",
    "YatSimpleCell",
    "YatSimpleRNN",
    "answer",
    "apply",
    "attend",
    "attention_cache",
    "bias",
    "bind_cell",
    "carry_of",
    "cast",
    "create",
    "decode",
    "draw",
    "draw_factors",
    "draw_linear",
    "drawn",
    "drop_connect",
    "initial_carry",
    "learned_epsilon",
    "lecun_normal",
    "mask",
    "one_program",
    "param",
    "positive",
    "quantize",
    "reinitialize",
    "scan_cell",
    "settling",
    "spectral_norm",
    "stacked_states",
    "stop",
    "ternary",
    "to_dense",
    "to_sparse",
    "unit_norm",
    "weight",
    "weight_norm",
    "yat_normal",
]

class _AnchorFeaturesModel(Model):
    def __call__(
        self,
        x: ArrayLike,
    ) -> jax.Array: ...

class _AnchorFeatures(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        features: int = ...,
        *,
        nodes: int = ...,
        anchors: int = ...,
        dtype: DTypeLike = ...,
        epsilon: float = ...,
    ) -> _AnchorFeaturesModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _AnchorFeaturesModel: ...

class _BatchNormModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        epsilon: ArrayLike = ...,
        where: ArrayLike | None = ...,
    ) -> jax.Array: ...

class _BatchNorm(Layer):
    @overload
    def __call__(
        self,
        features: int,
        *,
        momentum: float = ...,
        dtype: DTypeLike = ...,
        use_scale: bool = ...,
        use_bias: bool = ...,
        epsilon: ArrayLike = ...,
        where: ArrayLike | None = ...,
        axis_name: Any = ...,
    ) -> _BatchNormModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _BatchNormModel: ...

class _BinaryModel(Model):
    def __call__(
        self,
        x: ArrayLike,
    ) -> jax.Array: ...

class _Binary(Layer):
    @overload
    def __call__(
        self,
        key: Any = ...,
        n: Any = ...,
    ) -> _BinaryModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _BinaryModel: ...

class _ConvModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        strides: int | Sequence[int] = ...,
        padding: str | int | Sequence[int | Sequence[int]] = ...,
        input_dilation: int | Sequence[int] = ...,
        kernel_dilation: int | Sequence[int] = ...,
        feature_group_count: int = ...,
        precision: Any = ...,
    ) -> jax.Array: ...

class _Conv(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        kernel_size: int | Sequence[int],
        *,
        feature_group_count: int = ...,
        use_bias: bool = ...,
        kernel_init: Callable[..., jax.Array] = ...,
        bias_init: Callable[..., jax.Array] = ...,
        dtype: DTypeLike = ...,
        strides: int | Sequence[int] = ...,
        padding: str | int | Sequence[int | Sequence[int]] = ...,
        input_dilation: int | Sequence[int] = ...,
        kernel_dilation: int | Sequence[int] = ...,
        precision: Any = ...,
    ) -> _ConvModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _ConvModel: ...

class _ConvTransposeModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        strides: int | Sequence[int] = ...,
        padding: str | int | Sequence[int | Sequence[int]] = ...,
        output_padding: int | Sequence[int] = ...,
        kernel_dilation: int | Sequence[int] = ...,
        feature_group_count: int = ...,
        precision: Any = ...,
    ) -> jax.Array: ...

class _ConvTranspose(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        kernel_size: int | Sequence[int],
        *,
        feature_group_count: int = ...,
        transpose_kernel: bool = ...,
        use_bias: bool = ...,
        kernel_init: Callable[..., jax.Array] = ...,
        bias_init: Callable[..., jax.Array] = ...,
        dtype: DTypeLike = ...,
        strides: int | Sequence[int] = ...,
        padding: str | int | Sequence[int | Sequence[int]] = ...,
        output_padding: int | Sequence[int] = ...,
        kernel_dilation: int | Sequence[int] = ...,
        precision: Any = ...,
    ) -> _ConvTransposeModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _ConvTransposeModel: ...

class _DropoutModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        rate: ArrayLike = ...,
        broadcast_axes: int | tuple[int, ...] = ...,
        key: Any = ...,
    ) -> jax.Array: ...

class _Dropout(Layer):
    @overload
    def __call__(
        self,
        rate: float,
        *,
        broadcast_axes: int | tuple[int, ...] = ...,
    ) -> _DropoutModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _DropoutModel: ...

class _EinsumModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        equation: str = ...,
        precision: Any = ...,
        out_sharding: Any = ...,
    ) -> jax.Array: ...

class _Einsum(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        equation: str,
        shape: Sequence[int],
        *,
        kernel_init: Callable[..., jax.Array] | None = ...,
        use_bias: bool = ...,
        bias_init: Callable[..., jax.Array] = ...,
        dtype: DTypeLike = ...,
        precision: Any = ...,
        out_sharding: Any = ...,
    ) -> _EinsumModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _EinsumModel: ...

class _EmbedModel(Model):
    def __call__(
        self,
        ids: ArrayLike,
        *,
        attend: bool = ...,
        precision: Any = ...,
        out_sharding: Any = ...,
    ) -> jax.Array: ...

class _Embed(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        num_embeddings: int,
        features: int,
        *,
        embedding_init: Callable[..., jax.Array] = ...,
        dtype: DTypeLike = ...,
        attend: bool = ...,
        precision: Any = ...,
        out_sharding: Any = ...,
    ) -> _EmbedModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _EmbedModel: ...

class _GRUModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        carry: Any = ...,
        merge: Callable[..., ArrayLike] = ...,
        reverse: bool = ...,
        keep_order: bool = ...,
        return_carry: bool = ...,
        dropout: float = ...,
        key: jax.Array | None = ...,
        lengths: ArrayLike | None = ...,
        time_major: bool = ...,
        unroll: int = ...,
    ) -> Any: ...

class _GRU(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        layers: int = ...,
        bidirectional: bool = ...,
        merge: Callable[..., jax.Array] = ...,
        reverse: bool = ...,
        dropout: float = ...,
        bias_init: Callable[..., jax.Array] = ...,
        dtype: DTypeLike = ...,
        recurrent_init: Callable[..., jax.Array] = ...,
        use_bias: bool = ...,
        kernel_init: Callable[..., jax.Array] = ...,
        precision: Any = ...,
        gate: Callable[..., jax.Array] = ...,
        activation: Callable[..., jax.Array] = ...,
        carry: Any = ...,
        keep_order: bool = ...,
        return_carry: bool = ...,
        lengths: ArrayLike | None = ...,
        time_major: bool = ...,
        unroll: int = ...,
    ) -> _GRUModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _GRUModel: ...

class _GRUCellModel(Model):
    def __call__(
        self,
        carry: Any,
        x: Any,
        *,
        precision: Any = ...,
        gate: Callable[..., ArrayLike] = ...,
        activation: Callable[..., ArrayLike] = ...,
    ) -> Any: ...

class _GRUCell(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        bias_init: Callable[..., jax.Array] = ...,
        dtype: DTypeLike = ...,
        recurrent_init: Callable[..., jax.Array] = ...,
        use_bias: bool = ...,
        kernel_init: Callable[..., jax.Array] = ...,
        precision: Any = ...,
        gate: Callable[..., jax.Array] = ...,
        activation: Callable[..., jax.Array] = ...,
    ) -> _GRUCellModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _GRUCellModel: ...

class _GraphConvModel(Model):
    def __call__(
        self,
        graph: Any,
        *,
        normalization: str = ...,
        self_loops: bool = ...,
        weighted: bool = ...,
        steps: int = ...,
        teleport: ArrayLike = ...,
        precision: Any = ...,
        out_sharding: Any = ...,
    ) -> Any: ...

class _GraphConv(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        use_bias: bool = ...,
        kernel_init: Callable[..., jax.Array] = ...,
        bias_init: Callable[..., jax.Array] = ...,
        dtype: DTypeLike = ...,
        normalization: str = ...,
        self_loops: bool = ...,
        weighted: bool = ...,
        steps: int = ...,
        teleport: ArrayLike = ...,
        precision: Any = ...,
        out_sharding: Any = ...,
    ) -> _GraphConvModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _GraphConvModel: ...

class _GroupNormModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        axis: int | Sequence[int] | None = ...,
        epsilon: ArrayLike = ...,
        where: ArrayLike | None = ...,
    ) -> jax.Array: ...

class _GroupNorm(Layer):
    @overload
    def __call__(
        self,
        features: int,
        *,
        groups: int = ...,
        use_scale: bool = ...,
        use_bias: bool = ...,
        dtype: DTypeLike = ...,
        axis: int | Sequence[int] | None = ...,
        epsilon: ArrayLike = ...,
        where: ArrayLike | None = ...,
    ) -> _GroupNormModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _GroupNormModel: ...

class _LSTMModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        carry: Any = ...,
        merge: Callable[..., ArrayLike] = ...,
        reverse: bool = ...,
        keep_order: bool = ...,
        return_carry: bool = ...,
        dropout: float = ...,
        key: jax.Array | None = ...,
        lengths: ArrayLike | None = ...,
        time_major: bool = ...,
        unroll: int = ...,
    ) -> Any: ...

class _LSTM(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        layers: int = ...,
        bidirectional: bool = ...,
        merge: Callable[..., jax.Array] = ...,
        reverse: bool = ...,
        dropout: float = ...,
        forget_bias: float = ...,
        recurrent_init: Callable[..., jax.Array] = ...,
        dtype: DTypeLike = ...,
        use_bias: bool = ...,
        kernel_init: Callable[..., jax.Array] = ...,
        bias_init: Callable[..., jax.Array] = ...,
        precision: Any = ...,
        gate: Callable[..., jax.Array] = ...,
        activation: Callable[..., jax.Array] = ...,
        carry: Any = ...,
        keep_order: bool = ...,
        return_carry: bool = ...,
        lengths: ArrayLike | None = ...,
        time_major: bool = ...,
        unroll: int = ...,
    ) -> _LSTMModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _LSTMModel: ...

class _LSTMCellModel(Model):
    def __call__(
        self,
        carry: Any,
        x: Any,
        *,
        precision: Any = ...,
        gate: Callable[..., ArrayLike] = ...,
        activation: Callable[..., ArrayLike] = ...,
    ) -> Any: ...

class _LSTMCell(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        forget_bias: float = ...,
        recurrent_init: Callable[..., jax.Array] = ...,
        dtype: DTypeLike = ...,
        use_bias: bool = ...,
        kernel_init: Callable[..., jax.Array] = ...,
        bias_init: Callable[..., jax.Array] = ...,
        precision: Any = ...,
        gate: Callable[..., jax.Array] = ...,
        activation: Callable[..., jax.Array] = ...,
    ) -> _LSTMCellModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _LSTMCellModel: ...

class _LayerNormModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        axis: int | Sequence[int] = ...,
        epsilon: ArrayLike = ...,
        where: ArrayLike | None = ...,
    ) -> jax.Array: ...

class _LayerNorm(Layer):
    @overload
    def __call__(
        self,
        features: int,
        *,
        use_scale: bool = ...,
        use_bias: bool = ...,
        dtype: DTypeLike = ...,
        axis: int | Sequence[int] = ...,
        epsilon: ArrayLike = ...,
        where: ArrayLike | None = ...,
    ) -> _LayerNormModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _LayerNormModel: ...

class _LinearModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        precision: Any = ...,
        out_sharding: Any = ...,
    ) -> jax.Array: ...

class _Linear(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        use_bias: bool = ...,
        kernel_init: Callable[..., jax.Array] = ...,
        bias_init: Callable[..., jax.Array] = ...,
        dtype: DTypeLike = ...,
        precision: Any = ...,
        out_sharding: Any = ...,
    ) -> _LinearModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _LinearModel: ...

class _MLPModel(Model):
    def __call__(
        self,
        x: Any,
    ) -> Any: ...

class _MLP(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        sizes: Sequence[int],
        *,
        layer: Callable[..., Any] = ...,
        activation: Callable[..., Any] | None = ...,
        norm: Callable[..., Any] | None = ...,
        dropout: float = ...,
        last_layer: Callable[..., Any] | None = ...,
    ) -> _MLPModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _MLPModel: ...

class _MaclaurinFeaturesModel(Model):
    def __call__(
        self,
        x: ArrayLike,
    ) -> jax.Array: ...

class _MaclaurinFeatures(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        features: int = ...,
        *,
        highest: int = ...,
        dtype: DTypeLike = ...,
        shift: float = ...,
        epsilon: float = ...,
    ) -> _MaclaurinFeaturesModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _MaclaurinFeaturesModel: ...

class _MultiHeadAttentionModel(Model):
    def __call__(
        self,
        inputs_q: ArrayLike,
        inputs_k: ArrayLike | None = ...,
        inputs_v: ArrayLike | None = ...,
        *,
        bias: ArrayLike | None = ...,
        mask: ArrayLike | None = ...,
        is_causal: bool = ...,
        rotary: str | None = ...,
        rotary_base: ArrayLike = ...,
        offset: ArrayLike = ...,
        positions: ArrayLike | None = ...,
        dropout: float = ...,
        key: jax.Array | None = ...,
        cache: Any | None = ...,
        scale: ArrayLike | None = ...,
        query_seq_lengths: ArrayLike | None = ...,
        key_value_seq_lengths: ArrayLike | None = ...,
        local_window_size: int | tuple[int, int] | None = ...,
    ) -> Any: ...

class _MultiHeadAttention(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        heads: int,
        kv_heads: int | None = ...,
        qkv_features: int | None = ...,
        kv_inputs: int | None = ...,
        use_bias: bool = ...,
        normalize_qk: bool | Callable[..., Model] = ...,
        projection: Callable[..., Model] = ...,
        dropout: float = ...,
        dtype: DTypeLike = ...,
        bias: ArrayLike | None = ...,
        mask: ArrayLike | None = ...,
        is_causal: bool = ...,
        rotary: str | None = ...,
        rotary_base: ArrayLike = ...,
        offset: ArrayLike = ...,
        positions: ArrayLike | None = ...,
        cache: Any | None = ...,
        scale: ArrayLike | None = ...,
        query_seq_lengths: ArrayLike | None = ...,
        key_value_seq_lengths: ArrayLike | None = ...,
        local_window_size: int | tuple[int, int] | None = ...,
    ) -> _MultiHeadAttentionModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _MultiHeadAttentionModel: ...

class _NeuronModel(Model):
    def __call__(
        self,
        x: ArrayLike,
    ) -> jax.Array: ...

class _Neuron(Layer):
    @overload
    def __call__(
        self,
        key: Any = ...,
        n: Any = ...,
    ) -> _NeuronModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _NeuronModel: ...

class _PReLUModel(Model):
    def __call__(
        self,
        x: ArrayLike,
    ) -> jax.Array: ...

class _PReLU(Layer):
    @overload
    def __call__(
        self,
        features: int = ...,
        *,
        alpha: float = ...,
        dtype: DTypeLike = ...,
    ) -> _PReLUModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _PReLUModel: ...

class _PositionEmbedModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        offset: ArrayLike = ...,
        positions: ArrayLike | None = ...,
    ) -> jax.Array: ...

class _PositionEmbed(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        length: int,
        features: int,
        *,
        embedding_init: Callable[..., jax.Array] = ...,
        dtype: DTypeLike = ...,
        offset: ArrayLike = ...,
        positions: ArrayLike | None = ...,
    ) -> _PositionEmbedModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _PositionEmbedModel: ...

class _RMSNormModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        axis: int | Sequence[int] = ...,
        epsilon: ArrayLike = ...,
        where: ArrayLike | None = ...,
    ) -> jax.Array: ...

class _RMSNorm(Layer):
    @overload
    def __call__(
        self,
        features: int,
        *,
        use_scale: bool = ...,
        dtype: DTypeLike = ...,
        axis: int | Sequence[int] = ...,
        epsilon: ArrayLike = ...,
        where: ArrayLike | None = ...,
    ) -> _RMSNormModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _RMSNormModel: ...

class _RNNModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        carry: Any = ...,
        merge: Callable[..., ArrayLike] = ...,
        reverse: bool = ...,
        keep_order: bool = ...,
        return_carry: bool = ...,
        dropout: float = ...,
        key: jax.Array | None = ...,
        lengths: ArrayLike | None = ...,
        time_major: bool = ...,
        unroll: int = ...,
    ) -> Any: ...

class _RNN(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        cell: Any = ...,
        layers: int = ...,
        bidirectional: bool = ...,
        merge: Callable[..., jax.Array] = ...,
        reverse: bool = ...,
        dropout: float = ...,
        carry: Any = ...,
        keep_order: bool = ...,
        return_carry: bool = ...,
        lengths: ArrayLike | None = ...,
        time_major: bool = ...,
        unroll: int = ...,
    ) -> _RNNModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _RNNModel: ...

class _RadialFeaturesModel(Model):
    def __call__(
        self,
        x: ArrayLike,
    ) -> jax.Array: ...

class _RadialFeatures(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        features: int = ...,
        *,
        nodes: int = ...,
        products: int = ...,
        dtype: DTypeLike = ...,
        shift: float = ...,
        epsilon: float = ...,
    ) -> _RadialFeaturesModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _RadialFeaturesModel: ...

class _SReLUModel(Model):
    def __call__(
        self,
        x: ArrayLike,
    ) -> jax.Array: ...

class _SReLU(Layer):
    @overload
    def __call__(
        self,
        features: int = ...,
        *,
        al: float = ...,
        tl: float = ...,
        ar: float = ...,
        tr: float = ...,
        dtype: DTypeLike = ...,
    ) -> _SReLUModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _SReLUModel: ...

class _SimpleCellModel(Model):
    def __call__(
        self,
        carry: Any,
        x: Any,
        *,
        precision: Any = ...,
        activation: Callable[..., ArrayLike] = ...,
        residual: bool = ...,
    ) -> Any: ...

class _SimpleCell(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        recurrent_init: Callable[..., jax.Array] = ...,
        dtype: DTypeLike = ...,
        use_bias: bool = ...,
        kernel_init: Callable[..., jax.Array] = ...,
        bias_init: Callable[..., jax.Array] = ...,
        precision: Any = ...,
        activation: Callable[..., jax.Array] = ...,
        residual: bool = ...,
    ) -> _SimpleCellModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _SimpleCellModel: ...

class _SparseLinearModel(Model):
    def __call__(
        self,
        x: ArrayLike,
    ) -> jax.Array: ...

class _SparseLinear(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        density: float,
        use_bias: bool = ...,
        kernel_init: Callable[..., jax.Array] = ...,
        bias_init: Callable[..., jax.Array] = ...,
        dtype: DTypeLike = ...,
    ) -> _SparseLinearModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _SparseLinearModel: ...

class _SparseYatDenseModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        epsilon: ArrayLike = ...,
    ) -> jax.Array: ...

class _SparseYatDense(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        density: float,
        kernel_init: Callable[..., jax.Array] | None = ...,
        epsilon: float = ...,
        dtype: DTypeLike = ...,
        use_bias: bool = ...,
        use_alpha: bool = ...,
        learnable_epsilon: bool = ...,
        bias_init: Callable[..., jax.Array] = ...,
        alpha_init: Callable[..., jax.Array] = ...,
    ) -> _SparseYatDenseModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _SparseYatDenseModel: ...

class _VectorModel(Model):
    def __call__(
        self,
        x: ArrayLike,
    ) -> jax.Array: ...

class _Vector(Layer):
    @overload
    def __call__(
        self,
        key: Any = ...,
        n: Any = ...,
    ) -> _VectorModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _VectorModel: ...

class _YatBatchNormModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        epsilon: ArrayLike = ...,
        where: ArrayLike | None = ...,
    ) -> jax.Array: ...

class _YatBatchNorm(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        features: int,
        *,
        groups: int = ...,
        use_yat: bool = ...,
        dtype: DTypeLike = ...,
        momentum: ArrayLike = ...,
        use_scale: bool = ...,
        use_bias: bool = ...,
        axis_name: Any = ...,
        epsilon: ArrayLike = ...,
        where: ArrayLike | None = ...,
    ) -> _YatBatchNormModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _YatBatchNormModel: ...

class _YatConvModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        strides: int | Sequence[int] = ...,
        padding: str | int | Sequence[int | Sequence[int]] = ...,
        input_dilation: int | Sequence[int] = ...,
        kernel_dilation: int | Sequence[int] = ...,
        feature_group_count: int = ...,
        epsilon: ArrayLike = ...,
        distance: str = ...,
        precision: Any = ...,
    ) -> jax.Array: ...

class _YatConv(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        kernel_size: int | Sequence[int],
        *,
        feature_group_count: int = ...,
        kernel_init: Callable[..., jax.Array] | None = ...,
        epsilon: float = ...,
        dtype: DTypeLike = ...,
        use_bias: bool = ...,
        use_alpha: bool = ...,
        learnable_epsilon: bool = ...,
        bias_init: Callable[..., jax.Array] = ...,
        alpha_init: Callable[..., jax.Array] = ...,
        strides: int | Sequence[int] = ...,
        padding: str | int | Sequence[int | Sequence[int]] = ...,
        input_dilation: int | Sequence[int] = ...,
        kernel_dilation: int | Sequence[int] = ...,
        distance: str = ...,
        precision: Any = ...,
    ) -> _YatConvModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _YatConvModel: ...

class _YatConvTransposeModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        strides: int | Sequence[int] = ...,
        padding: str | int | Sequence[int | Sequence[int]] = ...,
        output_padding: int | Sequence[int] = ...,
        kernel_dilation: int | Sequence[int] = ...,
        feature_group_count: int = ...,
        epsilon: ArrayLike = ...,
        distance: str = ...,
        precision: Any = ...,
    ) -> jax.Array: ...

class _YatConvTranspose(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        kernel_size: int | Sequence[int],
        *,
        feature_group_count: int = ...,
        transpose_kernel: bool = ...,
        kernel_init: Callable[..., jax.Array] | None = ...,
        epsilon: float = ...,
        dtype: DTypeLike = ...,
        use_bias: bool = ...,
        use_alpha: bool = ...,
        learnable_epsilon: bool = ...,
        bias_init: Callable[..., jax.Array] = ...,
        alpha_init: Callable[..., jax.Array] = ...,
        strides: int | Sequence[int] = ...,
        padding: str | int | Sequence[int | Sequence[int]] = ...,
        output_padding: int | Sequence[int] = ...,
        kernel_dilation: int | Sequence[int] = ...,
        distance: str = ...,
        precision: Any = ...,
    ) -> _YatConvTransposeModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _YatConvTransposeModel: ...

class _YatDenseModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        epsilon: ArrayLike = ...,
        distance: str = ...,
        precision: Any = ...,
        out_sharding: Any = ...,
    ) -> jax.Array: ...

class _YatDense(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        kernel_init: Callable[..., jax.Array] | None = ...,
        epsilon: float = ...,
        dtype: DTypeLike = ...,
        use_bias: bool = ...,
        use_alpha: bool = ...,
        learnable_epsilon: bool = ...,
        bias_init: Callable[..., jax.Array] = ...,
        alpha_init: Callable[..., jax.Array] = ...,
        distance: str = ...,
        precision: Any = ...,
        out_sharding: Any = ...,
    ) -> _YatDenseModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _YatDenseModel: ...

class _YatEmbedModel(Model):
    def __call__(
        self,
        ids: ArrayLike,
        *,
        attend: bool = ...,
        epsilon: ArrayLike = ...,
        distance: str = ...,
        precision: Any = ...,
        out_sharding: Any = ...,
    ) -> jax.Array: ...

class _YatEmbed(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        num_embeddings: int,
        features: int,
        *,
        embedding_init: Callable[..., jax.Array] | None = ...,
        epsilon: float = ...,
        dtype: DTypeLike = ...,
        use_bias: bool = ...,
        use_alpha: bool = ...,
        learnable_epsilon: bool = ...,
        bias_init: Callable[..., jax.Array] = ...,
        alpha_init: Callable[..., jax.Array] = ...,
        attend: bool = ...,
        distance: str = ...,
        precision: Any = ...,
        out_sharding: Any = ...,
    ) -> _YatEmbedModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _YatEmbedModel: ...

class _YatFeaturesModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        normalize: bool = ...,
    ) -> jax.Array: ...

class _YatFeatures(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        features: int = ...,
        *,
        nodes: int | None = ...,
        degree: int | None = ...,
        tail: str = ...,
        dtype: DTypeLike = ...,
        shift: float = ...,
        epsilon: float = ...,
        distance: float | None = ...,
        normalize: bool = ...,
    ) -> _YatFeaturesModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _YatFeaturesModel: ...

class _YatGRUModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        carry: Any = ...,
        merge: Callable[..., ArrayLike] = ...,
        reverse: bool = ...,
        keep_order: bool = ...,
        return_carry: bool = ...,
        dropout: float = ...,
        key: jax.Array | None = ...,
        lengths: ArrayLike | None = ...,
        time_major: bool = ...,
        unroll: int = ...,
    ) -> Any: ...

class _YatGRU(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        layers: int = ...,
        bidirectional: bool = ...,
        merge: Callable[..., jax.Array] = ...,
        reverse: bool = ...,
        dropout: float = ...,
        form: str = ...,
        initial_scores: tuple[float, ...] | None = ...,
        recurrent_init: Callable[..., jax.Array] | None = ...,
        epsilon: float = ...,
        dtype: DTypeLike = ...,
        kernel_init: Callable[..., jax.Array] | None = ...,
        use_bias: bool = ...,
        use_alpha: bool = ...,
        learnable_epsilon: bool = ...,
        bias_init: Callable[..., jax.Array] = ...,
        alpha_init: Callable[..., jax.Array] = ...,
        precision: Any = ...,
        gate: Callable[..., jax.Array] | None = ...,
        activation: Callable[..., jax.Array] | None = ...,
        carry: Any = ...,
        keep_order: bool = ...,
        return_carry: bool = ...,
        lengths: ArrayLike | None = ...,
        time_major: bool = ...,
        unroll: int = ...,
    ) -> _YatGRUModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _YatGRUModel: ...

class _YatGRUCellModel(Model):
    def __call__(
        self,
        carry: Any,
        x: Any,
        *,
        precision: Any = ...,
        epsilon: ArrayLike = ...,
        gate: Callable[..., ArrayLike] | None = ...,
        activation: Callable[..., ArrayLike] | None = ...,
    ) -> Any: ...

class _YatGRUCell(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        form: str = ...,
        initial_scores: tuple[float, ...] | None = ...,
        recurrent_init: Callable[..., jax.Array] | None = ...,
        epsilon: float = ...,
        dtype: DTypeLike = ...,
        kernel_init: Callable[..., jax.Array] | None = ...,
        use_bias: bool = ...,
        use_alpha: bool = ...,
        learnable_epsilon: bool = ...,
        bias_init: Callable[..., jax.Array] = ...,
        alpha_init: Callable[..., jax.Array] = ...,
        precision: Any = ...,
        gate: Callable[..., jax.Array] | None = ...,
        activation: Callable[..., jax.Array] | None = ...,
    ) -> _YatGRUCellModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _YatGRUCellModel: ...

class _YatGraphAttentionModel(Model):
    def __call__(
        self,
        graph: Any,
        *,
        epsilon: ArrayLike = ...,
        normalizer: str = ...,
        power: ArrayLike | None = ...,
        self_loops: bool = ...,
        where: ArrayLike | None = ...,
    ) -> Any: ...

class _YatGraphAttention(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        heads: int = ...,
        kernel_init: Callable[..., jax.Array] = ...,
        dtype: DTypeLike = ...,
        use_bias: bool = ...,
        use_alpha: bool = ...,
        learnable_epsilon: bool = ...,
        epsilon: float = ...,
        bias_init: Callable[..., jax.Array] = ...,
        alpha_init: Callable[..., jax.Array] = ...,
        normalizer: str = ...,
        power: ArrayLike | None = ...,
        self_loops: bool = ...,
        where: ArrayLike | None = ...,
    ) -> _YatGraphAttentionModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _YatGraphAttentionModel: ...

class _YatGraphConvModel(Model):
    def __call__(
        self,
        graph: Any,
        *,
        normalization: str = ...,
        self_loops: bool = ...,
        weighted: bool = ...,
        steps: int = ...,
        teleport: ArrayLike = ...,
        epsilon: ArrayLike = ...,
        distance: str = ...,
        precision: Any = ...,
        out_sharding: Any = ...,
    ) -> Any: ...

class _YatGraphConv(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        kernel_init: Callable[..., jax.Array] | None = ...,
        epsilon: float = ...,
        dtype: DTypeLike = ...,
        use_bias: bool = ...,
        use_alpha: bool = ...,
        learnable_epsilon: bool = ...,
        bias_init: Callable[..., jax.Array] = ...,
        alpha_init: Callable[..., jax.Array] = ...,
        normalization: str = ...,
        self_loops: bool = ...,
        weighted: bool = ...,
        steps: int = ...,
        teleport: ArrayLike = ...,
        distance: str = ...,
        precision: Any = ...,
        out_sharding: Any = ...,
    ) -> _YatGraphConvModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _YatGraphConvModel: ...

class _YatLSTMModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        carry: Any = ...,
        merge: Callable[..., ArrayLike] = ...,
        reverse: bool = ...,
        keep_order: bool = ...,
        return_carry: bool = ...,
        dropout: float = ...,
        key: jax.Array | None = ...,
        lengths: ArrayLike | None = ...,
        time_major: bool = ...,
        unroll: int = ...,
    ) -> Any: ...

class _YatLSTM(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        layers: int = ...,
        bidirectional: bool = ...,
        merge: Callable[..., jax.Array] = ...,
        reverse: bool = ...,
        dropout: float = ...,
        form: str = ...,
        initial_scores: tuple[float, ...] | None = ...,
        recurrent_init: Callable[..., jax.Array] | None = ...,
        epsilon: float = ...,
        dtype: DTypeLike = ...,
        kernel_init: Callable[..., jax.Array] | None = ...,
        use_bias: bool = ...,
        use_alpha: bool = ...,
        learnable_epsilon: bool = ...,
        bias_init: Callable[..., jax.Array] = ...,
        alpha_init: Callable[..., jax.Array] = ...,
        precision: Any = ...,
        gate: Callable[..., jax.Array] | None = ...,
        activation: Callable[..., jax.Array] | None = ...,
        carry: Any = ...,
        keep_order: bool = ...,
        return_carry: bool = ...,
        lengths: ArrayLike | None = ...,
        time_major: bool = ...,
        unroll: int = ...,
    ) -> _YatLSTMModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _YatLSTMModel: ...

class _YatLSTMCellModel(Model):
    def __call__(
        self,
        carry: Any,
        x: Any,
        *,
        precision: Any = ...,
        epsilon: ArrayLike = ...,
        gate: Callable[..., ArrayLike] | None = ...,
        activation: Callable[..., ArrayLike] | None = ...,
    ) -> Any: ...

class _YatLSTMCell(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        form: str = ...,
        initial_scores: tuple[float, ...] | None = ...,
        recurrent_init: Callable[..., jax.Array] | None = ...,
        epsilon: float = ...,
        dtype: DTypeLike = ...,
        kernel_init: Callable[..., jax.Array] | None = ...,
        use_bias: bool = ...,
        use_alpha: bool = ...,
        learnable_epsilon: bool = ...,
        bias_init: Callable[..., jax.Array] = ...,
        alpha_init: Callable[..., jax.Array] = ...,
        precision: Any = ...,
        gate: Callable[..., jax.Array] | None = ...,
        activation: Callable[..., jax.Array] | None = ...,
    ) -> _YatLSTMCellModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _YatLSTMCellModel: ...

class _YatLayerNormModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        epsilon: ArrayLike = ...,
        where: ArrayLike | None = ...,
    ) -> jax.Array: ...

class _YatLayerNorm(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        features: int,
        *,
        groups: int = ...,
        use_yat: bool = ...,
        dtype: DTypeLike = ...,
        use_scale: bool = ...,
        use_bias: bool = ...,
        epsilon: ArrayLike = ...,
        where: ArrayLike | None = ...,
    ) -> _YatLayerNormModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _YatLayerNormModel: ...

class _YatMultiHeadAttentionModel(Model):
    def __call__(
        self,
        inputs_q: ArrayLike,
        inputs_k: ArrayLike | None = ...,
        inputs_v: ArrayLike | None = ...,
        *,
        epsilon: ArrayLike = ...,
        bias: ArrayLike | None = ...,
        mask: ArrayLike | None = ...,
        is_causal: bool = ...,
        rotary: str | None = ...,
        rotary_base: ArrayLike = ...,
        offset: ArrayLike = ...,
        positions: ArrayLike | None = ...,
        dropout: float = ...,
        key: jax.Array | None = ...,
        cache: Any | None = ...,
        scale: ArrayLike | None = ...,
        normalizer: str = ...,
        power: ArrayLike = ...,
        query_seq_lengths: ArrayLike | None = ...,
        key_value_seq_lengths: ArrayLike | None = ...,
        local_window_size: int | tuple[int, int] | None = ...,
        dilation: int = ...,
        distance: str = ...,
        block_size: int | tuple[int, int] | None = ...,
        precision: Any = ...,
        sequence_axis: str | None = ...,
    ) -> Any: ...

class _YatMultiHeadAttention(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        heads: int,
        use_shift: bool = ...,
        use_alpha: bool = ...,
        learnable_epsilon: bool = ...,
        epsilon: float = ...,
        shift_init: Callable[..., jax.Array] = ...,
        alpha_init: Callable[..., jax.Array] | None = ...,
        dtype: DTypeLike = ...,
        kv_heads: int | None = ...,
        qkv_features: int | None = ...,
        kv_inputs: int | None = ...,
        use_bias: bool = ...,
        normalize_qk: bool | Callable[..., Model] = ...,
        projection: Callable[..., Model] = ...,
        dropout: float = ...,
        bias: ArrayLike | None = ...,
        mask: ArrayLike | None = ...,
        is_causal: bool = ...,
        rotary: str | None = ...,
        rotary_base: ArrayLike = ...,
        offset: ArrayLike = ...,
        positions: ArrayLike | None = ...,
        cache: Any | None = ...,
        scale: ArrayLike | None = ...,
        normalizer: str = ...,
        power: ArrayLike = ...,
        query_seq_lengths: ArrayLike | None = ...,
        key_value_seq_lengths: ArrayLike | None = ...,
        local_window_size: int | tuple[int, int] | None = ...,
        dilation: int = ...,
        distance: str = ...,
        block_size: int | tuple[int, int] | None = ...,
        precision: Any = ...,
        sequence_axis: str | None = ...,
    ) -> _YatMultiHeadAttentionModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _YatMultiHeadAttentionModel: ...

class _YatSelfAttentionModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        mask: ArrayLike | None = ...,
        is_causal: bool = ...,
        mask_self: bool = ...,
        epsilon: ArrayLike = ...,
        normalizer: str = ...,
        cache: Any = ...,
        bias: ArrayLike | None = ...,
        rotary: str | None = ...,
        rotary_base: ArrayLike = ...,
        offset: ArrayLike = ...,
        positions: ArrayLike | None = ...,
        dropout: float = ...,
        key: jax.Array | None = ...,
        scale: ArrayLike | None = ...,
        power: ArrayLike = ...,
        query_seq_lengths: ArrayLike | None = ...,
        key_value_seq_lengths: ArrayLike | None = ...,
        distance: str = ...,
        block_size: int | tuple[int, int] | None = ...,
        precision: Any = ...,
        sequence_axis: str | None = ...,
    ) -> Any: ...

class _YatSelfAttention(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        heads: int,
        epsilon: float = ...,
        dtype: DTypeLike = ...,
        qkv_features: int | None = ...,
        use_bias: bool = ...,
        projection: Callable[..., Model] = ...,
        dropout: float = ...,
        mask: ArrayLike | None = ...,
        is_causal: bool = ...,
        mask_self: bool = ...,
        normalizer: str = ...,
        cache: Any = ...,
        bias: ArrayLike | None = ...,
        rotary: str | None = ...,
        rotary_base: ArrayLike = ...,
        offset: ArrayLike = ...,
        positions: ArrayLike | None = ...,
        scale: ArrayLike | None = ...,
        power: ArrayLike = ...,
        query_seq_lengths: ArrayLike | None = ...,
        key_value_seq_lengths: ArrayLike | None = ...,
        distance: str = ...,
        block_size: int | tuple[int, int] | None = ...,
        precision: Any = ...,
        sequence_axis: str | None = ...,
    ) -> _YatSelfAttentionModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _YatSelfAttentionModel: ...

class _YatSimpleCellModel(Model):
    def __call__(
        self,
        carry: Any,
        x: Any,
        *,
        precision: Any = ...,
        epsilon: ArrayLike = ...,
        activation: Callable[..., ArrayLike] | None = ...,
        residual: bool = ...,
    ) -> Any: ...

class _YatSimpleCell(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        form: str = ...,
        initial_scores: tuple[float, ...] | None = ...,
        recurrent_init: Callable[..., jax.Array] | None = ...,
        epsilon: float = ...,
        dtype: DTypeLike = ...,
        kernel_init: Callable[..., jax.Array] | None = ...,
        use_bias: bool = ...,
        use_alpha: bool = ...,
        learnable_epsilon: bool = ...,
        bias_init: Callable[..., jax.Array] = ...,
        alpha_init: Callable[..., jax.Array] = ...,
        precision: Any = ...,
        activation: Callable[..., jax.Array] | None = ...,
        residual: bool = ...,
    ) -> _YatSimpleCellModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _YatSimpleCellModel: ...

class _YatSimpleRNNModel(Model):
    def __call__(
        self,
        x: ArrayLike,
        *,
        carry: Any = ...,
        merge: Callable[..., ArrayLike] = ...,
        reverse: bool = ...,
        keep_order: bool = ...,
        return_carry: bool = ...,
        dropout: float = ...,
        key: jax.Array | None = ...,
        lengths: ArrayLike | None = ...,
        time_major: bool = ...,
        unroll: int = ...,
    ) -> Any: ...

class _YatSimpleRNN(Layer):
    @overload
    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int,
        *,
        layers: int = ...,
        bidirectional: bool = ...,
        merge: Callable[..., jax.Array] = ...,
        reverse: bool = ...,
        dropout: float = ...,
        form: str = ...,
        initial_scores: tuple[float, ...] | None = ...,
        recurrent_init: Callable[..., jax.Array] | None = ...,
        epsilon: float = ...,
        dtype: DTypeLike = ...,
        kernel_init: Callable[..., jax.Array] | None = ...,
        use_bias: bool = ...,
        use_alpha: bool = ...,
        learnable_epsilon: bool = ...,
        bias_init: Callable[..., jax.Array] = ...,
        alpha_init: Callable[..., jax.Array] = ...,
        precision: Any = ...,
        activation: Callable[..., jax.Array] | None = ...,
        residual: bool = ...,
        carry: Any = ...,
        keep_order: bool = ...,
        return_carry: bool = ...,
        lengths: ArrayLike | None = ...,
        time_major: bool = ...,
        unroll: int = ...,
    ) -> _YatSimpleRNNModel: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _YatSimpleRNNModel: ...

AnchorFeatures: _AnchorFeatures
BatchNorm: _BatchNorm
Binary: _Binary
Conv: _Conv
ConvTranspose: _ConvTranspose
Dropout: _Dropout
Einsum: _Einsum
Embed: _Embed
GRU: _GRU
GRUCell: _GRUCell
GraphConv: _GraphConv
GroupNorm: _GroupNorm
LSTM: _LSTM
LSTMCell: _LSTMCell
LayerNorm: _LayerNorm
Linear: _Linear
MLP: _MLP
MaclaurinFeatures: _MaclaurinFeatures
MultiHeadAttention: _MultiHeadAttention
Neuron: _Neuron
PReLU: _PReLU
PositionEmbed: _PositionEmbed
RMSNorm: _RMSNorm
RNN: _RNN
RadialFeatures: _RadialFeatures
SReLU: _SReLU
SimpleCell: _SimpleCell
SparseLinear: _SparseLinear
SparseYatDense: _SparseYatDense
Vector: _Vector
YatBatchNorm: _YatBatchNorm
YatConv: _YatConv
YatConvTranspose: _YatConvTranspose
YatDense: _YatDense
YatEmbed: _YatEmbed
YatFeatures: _YatFeatures
YatGRU: _YatGRU
YatGRUCell: _YatGRUCell
YatGraphAttention: _YatGraphAttention
YatGraphConv: _YatGraphConv
YatLSTM: _YatLSTM
YatLSTMCell: _YatLSTMCell
YatLayerNorm: _YatLayerNorm
YatMultiHeadAttention: _YatMultiHeadAttention
YatNMN: _YatDense
YatSelfAttention: _YatSelfAttention
YatSimpleCell: _YatSimpleCell
YatSimpleRNN: _YatSimpleRNN
