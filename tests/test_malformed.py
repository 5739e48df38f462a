"""Malformed calls: every flag, integer and number of the library refuses what it is not.

Each case is a call that works and the options that are tried in it, one by one, with what fits
their kind and nothing else: a word for a flag, True for an integer, infinity for a number.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn
from pyneurons_yat import zoo

FLAG = ("no", 2, None)
SIZE = (0, -1, 1.5, True, "2")
COUNT = (-1, 1.5, True, "2")  # of which 0 is one
POSITIVE = (0.0, -1.0, np.inf, np.nan, True, "1")
NOT_NEGATIVE = (-1.0, np.inf, np.nan, True)
SHARE = (-0.1, 1.1, np.nan, True)
PART = (-0.1, 1.0, np.nan, True)
FINITE = (np.inf, np.nan, True)


def key():
    return jax.random.key(0)


def draws(make, *sizes, **fixed):
    """A layer that is made with a key."""
    return lambda **options: make(key(), *sizes, **{**fixed, **options})


def calls(make, *inputs):
    """The call of a model, with options."""
    return lambda **options: make()(*inputs, **options)


ROW, ROWS, HEADS = np.ones(4), np.ones((3, 4)), np.ones((5, 2, 4))
IMAGE, KERNEL = np.ones((6, 4)), np.ones((3, 4, 2))
IDS = np.array([0, 1, 1])
GRAPH = pn.make_graph(ROWS, [0, 1], [1, 2], edges=np.ones(2))
YAT = {"use_bias": FLAG, "use_alpha": FLAG, "learnable_epsilon": FLAG, "epsilon": POSITIVE}
NORM = {"features": SIZE, "use_scale": FLAG, "use_bias": FLAG}
SCAN = {"reverse": FLAG, "keep_order": FLAG, "time_major": FLAG, "return_carry": FLAG}
SCAN = {**SCAN, "unroll": SIZE}
ATTEND = {"is_causal": FLAG, "epsilon": POSITIVE, "scale": POSITIVE, "alpha": FINITE}
ATTEND = {**ATTEND, "shift": FINITE, "dilation": SIZE, "local_window_size": COUNT}


def step(shared, carry, inputs, total):
    return total, total


CASES = {
    # ops
    "softermax": (lambda **o: pn.softermax(ROWS, **o), {"n": POSITIVE, "epsilon": POSITIVE}),
    "softer_sigmoid": (lambda **o: pn.softer_sigmoid(ROWS, **o), {"n": POSITIVE}),
    "soft_tanh": (lambda **o: pn.soft_tanh(ROWS, **o), {"n": POSITIVE}),
    "score_tanh": (lambda **o: pn.score_tanh(ROWS, **o), {"n": POSITIVE}),
    "relun": (lambda n=1.0: pn.relun(n), {"n": POSITIVE}),
    "yat": (lambda **o: pn.yat(ROWS, ROWS.T, **o), {"epsilon": POSITIVE}),
    "yat_scores": (lambda **o: pn.yat_scores(ROWS, ROWS, **o), {"epsilon": POSITIVE}),
    "yat_pairs": (lambda **o: pn.yat_pairs(ROWS, ROWS, **o), {"epsilon": POSITIVE}),
    "yat_gate": (lambda **o: pn.yat_gate(ROW, np.ones((2, 2)), **o), {"epsilon": POSITIVE}),
    "conv": (
        lambda **o: pn.conv(IMAGE, KERNEL, **o),
        {"strides": SIZE, "kernel_dilation": SIZE, "input_dilation": SIZE}
        | {"feature_group_count": SIZE},
    ),
    "yat_conv": (
        lambda **o: pn.yat_conv(IMAGE, KERNEL, **o),
        {"strides": SIZE, "kernel_dilation": SIZE, "input_dilation": SIZE, "epsilon": POSITIVE},
    ),
    "yat_conv_transpose": (
        lambda **o: pn.yat_conv_transpose(IMAGE, KERNEL, **o),
        {"strides": SIZE, "output_padding": COUNT, "transpose_kernel": FLAG, "epsilon": POSITIVE},
    ),
    "conv_transpose": (
        lambda **o: pn.conv_transpose(IMAGE, KERNEL, **o),
        {"strides": SIZE, "output_padding": COUNT, "transpose_kernel": FLAG},
    ),
    "max_pool": (
        lambda window=2, **o: pn.max_pool(IMAGE, window, **o),
        {"window": SIZE, "strides": SIZE, "dilation": SIZE, "ceil_mode": FLAG}
        | {"return_indices": FLAG, "padding": (1.5, True, "EVEN", 4)},
    ),
    "average_pool": (
        lambda window=2, **o: pn.average_pool(IMAGE, window, **o),
        {"window": SIZE, "strides": SIZE, "dilation": SIZE, "count_include_pad": FLAG},
    ),
    "adaptive_max_pool": (
        lambda sizes=2, **o: pn.adaptive_max_pool(IMAGE, sizes, **o),
        {"sizes": SIZE, "return_indices": FLAG},
    ),
    "adaptive_average_pool": (
        lambda sizes=2: pn.adaptive_average_pool(IMAGE, sizes),
        {"sizes": SIZE},
    ),
    "upsample": (
        lambda factor=2, **o: pn.upsample(IMAGE, factor, **o),
        {"factor": SIZE, "method": ("area", None)},
    ),
    "flatten": (lambda **o: pn.flatten(IMAGE, **o), {"start_axis": (2, -3, 1.0, True, "1")}),
    "yat_attention": (
        lambda **o: pn.yat_attention(HEADS, HEADS, HEADS, **o),
        {**ATTEND, "block_size": SIZE},
    ),
    "softermax attention": (
        lambda **o: pn.yat_attention(HEADS, HEADS, HEADS, normalizer="softermax", **o),
        {"power": POSITIVE},
    ),
    "dot_product_attention": (
        lambda **o: pn.dot_product_attention(HEADS, HEADS, HEADS, **o),
        {"is_causal": FLAG, "scale": POSITIVE, "local_window_size": COUNT},
    ),
    "alibi": (
        lambda heads=2, queries=3, keys=3: pn.alibi(heads, queries, keys),
        {"heads": SIZE, "queries": SIZE, "keys": SIZE},
    ),
    "sinusoidal": (
        lambda features=4, **o: pn.sinusoidal(ROW, features, **o),
        {"features": (3, *SIZE), "base": POSITIVE, "interleaved": FLAG},
    ),
    "fixed_mask": (
        lambda stride=2, **o: pn.fixed_mask(4, 4, stride, **o),
        {"stride": SIZE, "summary": (3, *SIZE)},
    ),
    "strided_mask": (lambda stride=2: pn.strided_mask(4, 4, stride), {"stride": SIZE}),
    "big_bird_mask": (
        lambda block_size=2, **o: pn.big_bird_mask(key(), 4, 4, block_size, **o),
        {"block_size": SIZE, "window": (2, *SIZE), "global_blocks": COUNT, "random_blocks": COUNT},
    ),
    "yat_attention_weights": (lambda **o: pn.yat_attention_weights(HEADS, HEADS, **o), ATTEND),
    "linear_attention": (
        lambda **o: pn.linear_attention(HEADS, HEADS, HEADS, **o),
        {"is_causal": FLAG, "guard": PART, "chunk_size": SIZE},
    ),
    "rotary": (
        lambda **o: pn.rotary(HEADS, **o),
        {"base": POSITIVE, "interleaved": FLAG, "size": (-2, 2.0, True, "2")},
    ),
    "layer_norm": (
        lambda **o: pn.layer_norm(ROWS, **o),
        {"epsilon": POSITIVE, "axis": (True, 1.5)},
    ),
    "rms_norm": (lambda **o: pn.rms_norm(ROWS, **o), {"epsilon": POSITIVE}),
    "group_norm": (
        lambda groups=2, **o: pn.group_norm(ROWS, groups, **o),
        {"groups": SIZE, "epsilon": POSITIVE},
    ),
    "batch_norm": (lambda **o: pn.batch_norm(ROWS, **o), {"epsilon": POSITIVE}),
    "dropout": (lambda rate=0.5, **o: pn.dropout(ROWS, rate, key=key(), **o), {"rate": SHARE}),
    "recurrence": (
        lambda **o: pn.recurrence(step, np.ones(4), np.eye(4), ROWS, **o),
        {"reverse": FLAG, "unroll": SIZE},
    ),
    "segment_reduce": (
        lambda num_segments=2: pn.segment_reduce(ROWS, IDS, num_segments),
        {"num_segments": COUNT},
    ),
    "segment_softermax": (
        lambda num_segments=2, **o: pn.segment_softermax(ROWS, IDS, num_segments, **o),
        {"num_segments": COUNT, "n": POSITIVE, "epsilon": POSITIVE},
    ),
    "degree_weights": (
        lambda num_nodes=3: pn.degree_weights(IDS, IDS, num_nodes),
        {"num_nodes": COUNT},
    ),
    "propagate": (
        lambda **o: pn.propagate(GRAPH, **o),
        {"self_loops": FLAG, "weighted": FLAG, "steps": COUNT, "teleport": SHARE},
    ),
    "pad_graph": (
        lambda num_nodes=4, num_edges=2: pn.pad_graph(GRAPH, num_nodes, num_edges),
        {"num_nodes": SIZE, "num_edges": SIZE},
    ),
    "yat_normal": (
        lambda **o: pn.yat_normal(key(), (3, 4), **o),
        {"alpha": FINITE, "epsilon": NOT_NEGATIVE},
    ),
    # layers
    "Linear": (
        draws(pn.Linear, inputs=3, outputs=4),
        {"inputs": SIZE, "outputs": SIZE, "use_bias": FLAG},
    ),
    "YatDense": (draws(pn.YatDense, 3, 4), YAT),
    "Einsum": (
        draws(pn.Einsum, equation="...d,de->...e", shape=(3, 4)),
        {"use_bias": FLAG, "equation": (1, "de", "...d,de->...f", "d,d->dd"), "shape": ((3,), 3)},
    ),
    "MLP": (
        draws(pn.MLP, sizes=(3, 4, 2)),
        {"sizes": (3, (3,), (3, 0), (3, 2.0)), "dropout": SHARE, "layer": (None, "Linear")}
        | {"activation": ("relu",), "norm": (1,), "last_layer": (1,)},
    ),
    "YatEmbed": (draws(pn.YatEmbed, 3, 4), YAT),
    "PositionEmbed": (
        draws(pn.PositionEmbed, length=4, features=4),
        {"length": SIZE, "features": SIZE},
    ),
    "Embed": (calls(draws(pn.Embed, 3, 4), IDS), {"attend": FLAG}),
    "Conv": (draws(pn.Conv, 4, 4, 3), {"use_bias": FLAG, "feature_group_count": SIZE}),
    "YatConv": (draws(pn.YatConv, 4, 4, 3), YAT),
    "YatConvTranspose": (draws(pn.YatConvTranspose, 4, 4, 3), {**YAT, "transpose_kernel": FLAG}),
    "LayerNorm": (lambda features=4, **o: pn.LayerNorm(features, **o), NORM),
    "RMSNorm": (
        lambda features=4, **o: pn.RMSNorm(features, **o),
        {"features": SIZE, "use_scale": FLAG},
    ),
    "GroupNorm": (
        lambda features=4, groups=2, **o: pn.GroupNorm(features, groups=groups, **o),
        {**NORM, "groups": SIZE},
    ),
    "BatchNorm": (
        lambda features=4, **o: pn.BatchNorm(features, **o),
        {**NORM, "momentum": SHARE},
    ),
    "YatLayerNorm": (draws(pn.YatLayerNorm, 4), {"use_yat": FLAG, "groups": SIZE}),
    "YatBatchNorm": (draws(pn.YatBatchNorm, 4), {"use_yat": FLAG, "momentum": SHARE}),
    "PReLU": (
        lambda features=4, **o: pn.PReLU(features, **o),
        {"features": SIZE, "alpha": (*FINITE, "1")},
    ),
    "SReLU": (
        lambda features=4, **o: pn.SReLU(features, **o),
        {"features": SIZE, **dict.fromkeys(("al", "tl", "ar", "tr"), FINITE)},
    ),
    "Dropout": (lambda rate=0.5: pn.Dropout(rate), {"rate": (*SHARE, "1")}),
    "MultiHeadAttention": (
        draws(pn.MultiHeadAttention, 4, 4, heads=2),
        {"heads": SIZE, "kv_heads": SIZE, "qkv_features": SIZE, "kv_inputs": SIZE}
        | {"use_bias": FLAG, "dropout": PART, "normalize_qk": ("no", 2)},
    ),
    "YatMultiHeadAttention": (
        draws(pn.YatMultiHeadAttention, 4, 4, heads=2),
        {"use_shift": FLAG, "use_alpha": FLAG, "learnable_epsilon": FLAG, "use_bias": FLAG}
        | {"epsilon": POSITIVE, "dropout": PART},
    ),
    "YatSelfAttention": (
        draws(pn.YatSelfAttention, 4, 4, heads=2),
        {"use_bias": FLAG, "epsilon": POSITIVE, "dropout": PART},
    ),
    "attention": (
        calls(draws(pn.MultiHeadAttention, 4, 4, heads=2), ROWS),
        {"is_causal": FLAG, "scale": POSITIVE},
    ),
    "self attention": (
        calls(draws(pn.YatSelfAttention, 4, 4, heads=2), ROWS),
        {"is_causal": FLAG, "mask_self": FLAG, "power": POSITIVE},
    ),
    "SimpleCell": (draws(pn.SimpleCell, 3, 4), {"use_bias": FLAG}),
    "LSTMCell": (draws(pn.LSTMCell, 3, 4), {"use_bias": FLAG, "forget_bias": FINITE}),
    "GRUCell": (draws(pn.GRUCell, 3, 4), {"use_bias": FLAG}),
    "YatLSTMCell": (
        draws(pn.YatLSTMCell, 3, 4),
        {**YAT, "initial_scores": ((1.0, 2.0), (1.0, 3.0, 0.0, -1.0), 1.0), "form": ("no", 2)},
    ),
    "RNN": (
        draws(pn.RNN, 3, 4),
        {"bidirectional": FLAG, "reverse": FLAG, "layers": SIZE},
    ),
    "stacked": (draws(pn.LSTM, 3, 4, layers=2), {"dropout": PART}),
    "scanned": (calls(draws(pn.GRU, 4, 4), ROWS), SCAN),
    "scan_cell": (lambda **o: pn.scan_cell(pn.GRUCell(key(), 4, 4), ROWS, **o), SCAN),
    "YatFeatures": (
        draws(pn.YatFeatures, 4, 64),
        {"normalize": FLAG, "shift": NOT_NEGATIVE, "epsilon": POSITIVE, "distance": POSITIVE[:4]}
        | {"nodes": SIZE, "degree": SIZE, "tail": ("no", 2)},
    ),
    "MaclaurinFeatures": (draws(pn.MaclaurinFeatures, 4, 64), {"highest": (1, *SIZE)}),
    "GraphConv": (
        calls(draws(pn.GraphConv, 4, 2), GRAPH),
        {"self_loops": FLAG, "weighted": FLAG, "steps": COUNT, "teleport": SHARE},
    ),
    "YatGraphAttention": (draws(pn.YatGraphAttention, 4, 4), {**YAT, "heads": SIZE}),
    "YatGraphConv": (
        calls(draws(pn.YatGraphConv, 4, 2), GRAPH),
        {"self_loops": FLAG, "weighted": FLAG, "steps": COUNT},
    ),
    "attended": (calls(draws(pn.YatGraphAttention, 4, 4), GRAPH), {"self_loops": FLAG}),
    "quantize": (lambda bits=8: pn.quantize(bits), {"bits": (1, 17, 1.5, True)}),
    "drop_connect": (lambda rate=0.5: pn.drop_connect(rate), {"rate": SHARE}),
    # models as trees, and their training
    "repeat": (
        lambda n=2, **o: pn.repeat(pn.Linear, n, **o),
        {"n": SIZE, "remat": FLAG},
    ),
    "grad": (lambda **o: pn.grad(jnp.sum, **o), {"has_aux": FLAG}),
    "value_and_grad": (lambda **o: pn.value_and_grad(jnp.sum, **o), {"has_aux": FLAG}),
    "replace": (lambda **o: pn.replace({"a": 1.0}, "a", 2.0, **o), {"reshape": FLAG}),
    "summary": (lambda **o: pn.summary(pn.LayerNorm(4), ROWS, **o), {"cost": FLAG}),
    "huber": (lambda **o: pn.huber(ROWS, ROWS, **o), {"delta": POSITIVE}),
    "binary_cross_entropy": (
        lambda **o: pn.binary_cross_entropy(ROWS, ROWS, **o),
        {"from_logits": FLAG, "pos_weight": NOT_NEGATIVE},
    ),
    "focal": (lambda **o: pn.focal(ROWS, ROWS, **o), {"alpha": SHARE, "gamma": NOT_NEGATIVE}),
    "cross_entropy": (
        lambda **o: pn.cross_entropy(ROWS, IDS, **o),
        {"from_logits": FLAG, "label_smoothing": SHARE, "ignore_index": (1.5, True, "2")},
    ),
    "kl_divergence": (lambda **o: pn.kl_divergence(ROWS, ROWS, **o), {"log_targets": FLAG}),
    "cosine_embedding": (
        lambda **o: pn.cosine_embedding(ROWS, ROWS, np.ones(3), **o),
        {"margin": FINITE},
    ),
    "triplet": (
        lambda **o: pn.triplet(ROWS, ROWS, ROWS, **o),
        {"margin": NOT_NEGATIVE, "epsilon": NOT_NEGATIVE, "swap": FLAG, "p": (0.5, *POSITIVE)},
    ),
    "ctc": (
        lambda **o: pn.ctc(np.ones((2, 5, 3)), np.ones((2, 2), int), **o),
        {"blank": (3, *COUNT), "zero_infinity": FLAG},
    ),
    "top_k_accuracy": (
        lambda k=2: pn.top_k_accuracy(ROWS, IDS, k=k),
        {"k": (5, *SIZE)},
    ),
    "predict": (lambda **o: pn.predict(pn.LayerNorm(4), ROWS, **o), {"batch_size": SIZE}),
    "evaluate": (lambda **o: pn.evaluate(pn.LayerNorm(4), ROWS, ROWS, **o), {"batch_size": SIZE}),
    "train_step": (
        lambda **o: pn.train_step(pn.mse, optax.sgd(0.1), **o),
        {"accumulate": SIZE, "per_example": FLAG},
    ),
    # whole models
    "Transformer": (
        draws(zoo.Transformer, 4, 8, blocks=1, heads=2),
        {"tied": FLAG, "remat": FLAG, "heads": SIZE, "kv_heads": SIZE},
    ),
    "EncoderDecoder": (
        draws(zoo.EncoderDecoder, 4, 8, blocks=1, heads=2),
        {"tied": FLAG, "remat": FLAG, "heads": SIZE, "use_bias": FLAG},
    ),
    "VisionTransformer": (
        draws(
            zoo.VisionTransformer, 1, 2, image_size=4, patch_size=2, features=4, blocks=1, heads=1
        ),
        {"class_token": FLAG, "image_size": SIZE, "patch_size": SIZE},
    ),
    "ResNet": (draws(zoo.ResNet, 1, 2, widths=(2,)), {"blocks": SIZE}),
    "sample": (
        lambda **o: zoo.sample(key(), ROWS, **o),
        {"temperature": NOT_NEGATIVE, "top_k": SIZE, "top_p": (0.0, 1.1, np.nan, True)},
    ),
}


READING = {"evaluate", "predict"}  # calls that read the numbers they compute


@pytest.mark.parametrize("name", CASES)
def test_a_call_that_works_is_refused_with_what_an_option_is_not(name):
    call, options = CASES[name]
    if name in READING:
        call()
    else:  # that it works does not depend on values, and so nothing is compiled
        jax.eval_shape(lambda: [None for _ in [call()]])
    for option, wrongs in options.items():
        for wrong in wrongs:
            with pytest.raises((TypeError, ValueError), match=rf": {option}\S* must ") as caught:
                call(**{option: wrong})
            words = str(caught.value).split("\n")[0]
            assert "array(" not in words, words
            assert " came" not in words, words
