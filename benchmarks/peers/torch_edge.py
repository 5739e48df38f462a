"""The trained models of the zoo written in PyTorch, with the same weights.

Yat neurons are written as one would write them in PyTorch, with the expanded distance, in no more
operations than they need; everything else is PyTorch's own. Channels come first.
"""

from typing import Any

import numpy as np
import torch
from torch import nn


def tensor(array: Any, *more: None) -> nn.Parameter:
    """An array in float32, with axes of size 1 behind for each `None`."""
    array = np.ascontiguousarray(np.asarray(array, np.float32)[(..., *more)])
    return nn.Parameter(torch.from_numpy(array.copy()).contiguous(), requires_grad=False)


def option(model: Any, name: str, default: float) -> float:
    """What a model was made with."""
    return float(dict(model.static).get(name, default))


class Yat(nn.Module):
    """A layer of Yat neurons, with the squares of its weights ready."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.kernel, self.alpha = tensor(model.kernel), tensor(model.alpha)
        self.bias = None if model.bias is None else tensor(model.bias)
        self.rest = tensor((self.kernel**2).sum(0) + option(model, "epsilon", 1e-5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The responses to rows."""
        product = x @ self.kernel
        distance = (x * x).sum(-1, keepdim=True) + self.rest - 2 * product
        product = product if self.bias is None else product + self.bias
        return self.alpha * product * product / distance


class YatConv(nn.Module):
    """A convolution of Yat neurons, padded as TensorFlow's SAME, two places apart."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.kernel = tensor(np.transpose(model.kernel, (3, 2, 0, 1)))
        self.alpha, self.bias = (tensor(a, None, None) for a in (model.alpha, model.bias))
        squares = (self.kernel**2).sum((1, 2, 3))
        self.rest = tensor(squares + option(model, "epsilon", 1e-5), None, None)
        self.ones = tensor(np.ones((1, *self.kernel.shape[1:])))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The responses to images (B, C, H, W) of even sides."""
        beyond = self.kernel.shape[-1] - 2
        x = nn.functional.pad(x, (beyond // 2, beyond - beyond // 2) * 2)
        product = nn.functional.conv2d(x, self.kernel, stride=2)
        squares = nn.functional.conv2d(x * x, self.ones, stride=2)
        distance = squares + self.rest - 2 * product
        product = product + self.bias
        return self.alpha * product * product / distance


class Linear(nn.Module):
    """A product of rows, with or without a bias."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.kernel = tensor(model.kernel)
        self.bias = None if model.bias is None else tensor(model.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The product."""
        y = x @ self.kernel
        return y if self.bias is None else y + self.bias


def batch_norm(model: Any) -> nn.Module:
    """PyTorch's layer with the parameters and statistics of a model."""
    layer = nn.BatchNorm2d(model.mean.shape[0], eps=option(model, "epsilon", 1e-5))
    with torch.no_grad():
        layer.weight.copy_(tensor(model.scale))
        layer.bias.copy_(tensor(model.bias))
    layer.running_mean, layer.running_var = tensor(model.mean), tensor(model.variance)
    return layer


def digits(model: Any) -> nn.Module:
    """`digits-mlp`: rows to logits."""
    return nn.Sequential(Yat(model["hidden"]), Linear(model["logits"])).eval()


class Images(nn.Module):
    """`mnist-cnn`: images (B, 28, 28, 1), as this library has them, to logits."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            YatConv(model["first"]),
            batch_norm(model["first_norm"]),
            YatConv(model["second"]),
            batch_norm(model["second_norm"]),
        )
        self.logits = Linear(model["logits"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits; the weights of the last layer want the channels last."""
        y = self.layers(x.permute(0, 3, 1, 2))
        return self.logits(y.permute(0, 2, 3, 1).flatten(1))


class Norm(nn.Module):
    """Root mean square norm."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.scale, self.epsilon = tensor(model.scale), option(model, "epsilon", 1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Rows of mean square 1, scaled."""
        return nn.functional.rms_norm(x, self.scale.shape, self.scale, self.epsilon)


class Attention(nn.Module):
    """Causal Yat attention with rotary positions, whose weights are formed."""

    def __init__(self, model: Any, heads: int) -> None:
        super().__init__()
        parts = (Linear(part) for part in (model.query, model.key, model.value, model.output))
        self.query, self.key, self.value, self.output = parts
        self.heads, self.size = heads, self.query.kernel.shape[1] // heads
        self.epsilon = option(model, "epsilon", 1e-5)
        self.alpha = tensor(np.asarray(model.alpha) * self.size**-0.5, None, None)
        self.shift = tensor(model.shift, None, None)

    def turned(self, x: torch.Tensor) -> torch.Tensor:
        """Rotary positions of (B, N, T, H), the halves of a head as pairs."""
        half = self.size // 2
        frequencies = 10000.0 ** (-torch.arange(half, dtype=torch.float32) / half)
        angles = torch.arange(x.shape[-2], dtype=torch.float32)[:, None] * frequencies
        cosine, sine = angles.cos(), angles.sin()
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * cosine - b * sine, a * sine + b * cosine], -1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block of (B, T, width)."""
        batch, length, width = x.shape
        shape = (batch, length, self.heads, self.size)
        q, k, v = (f(x).view(shape).transpose(1, 2) for f in (self.query, self.key, self.value))
        q, k = self.turned(q), self.turned(k)
        product = q @ k.transpose(-1, -2)
        squares = (q * q).sum(-1, keepdim=True) + (k * k).sum(-1)[..., None, :]
        distance = squares - 2 * product + self.epsilon
        product = product + self.shift
        scores = self.alpha * product * product / distance
        hidden = torch.ones(length, length, dtype=torch.bool).triu(1)
        weights = scores.masked_fill(hidden, float("-inf")).softmax(-1)
        return self.output((weights @ v).transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    """Attention and Yat neurons, both with a norm before."""

    def __init__(self, model: Any, heads: int) -> None:
        super().__init__()
        self.one, self.two = Norm(model.attention_norm), Norm(model.feed_norm)
        self.attention = Attention(model.attention, heads)
        self.feed = nn.Sequential(Yat(model.feed.hidden), Linear(model.feed.output))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block of (B, T, width)."""
        x = x + self.attention(self.one(x))
        return x + self.feed(self.two(x))


class GPT(nn.Module):
    """`char-gpt`: characters to logits. `blocks` are those of the model, one by one."""

    def __init__(self, model: Any, blocks: list[Any], heads: int) -> None:
        super().__init__()
        self.table = tensor(model.embed.embedding)
        self.blocks = nn.Sequential(*(Block(block, heads) for block in blocks))
        self.norm = Norm(model.norm)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits at each place."""
        x = nn.functional.embedding(tokens, self.table) * self.table.shape[1] ** 0.5
        return self.norm(self.blocks(x)) @ self.table.T
