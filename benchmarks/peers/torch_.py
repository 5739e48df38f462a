"""PyTorch, eager: the loop of its documentation, on as many threads as XLA uses."""

import itertools
from typing import Any

import numpy as np
import torch
from torch import nn

from pyneurons_yat.command_line.machine import cores

from ..steps import RATE, Trainer
from ..tasks import CLASSES, VOCABULARY, Task


def trainer_of(task: Task) -> Trainer:
    """The plain network."""
    torch.set_num_threads(cores())
    network = {"mlp": mlp, "cnn": cnn, "gru": GRU, "gpt": GPT}[task.kind](task)
    inputs, targets = (torch.tensor(np.asarray(a)) for a in (task.x, task.y))
    if task.kind == "cnn":
        inputs = inputs.movedim(-1, 2).contiguous()
    elif task.kind == "gpt":
        inputs = inputs.long()
    targets = targets.long()
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    turns = itertools.cycle(range(len(inputs)))

    def call() -> Any:
        turn = next(turns)
        optimizer.zero_grad()
        scores = network(inputs[turn])
        loss = nn.functional.cross_entropy(scores.flatten(0, -2), targets[turn].flatten())
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Trainer("torch", call)


def mlp(task: Task) -> nn.Module:
    """Two layers."""
    hidden = task.size.hidden
    return nn.Sequential(nn.Linear(task.x.shape[-1], hidden), nn.ReLU(), nn.Linear(hidden, CLASSES))


def cnn(task: Task) -> nn.Module:
    """Two convolutions and a layer; channels come first."""
    filters = task.size.filters
    return nn.Sequential(
        nn.Conv2d(1, filters, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(filters, 2 * filters, 3, 2, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(49 * 2 * filters, CLASSES),
    )


class GRU(nn.Module):
    """A recurrent layer and a linear one."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.rnn = nn.GRU(task.x.shape[-1], task.size.units, batch_first=True)
        self.scores = nn.Linear(task.size.units, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores after the last step."""
        return self.scores(self.rnn(x)[0][:, -1])


class Block(nn.Module):
    """Attention and a feed-forward layer, both with a norm before."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.one, self.two = nn.RMSNorm(width), nn.RMSNorm(width)
        self.three = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.hidden = nn.Linear(width, 4 * width, bias=False)
        self.back = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block of (B, T, width)."""
        batch, length, width = x.shape
        parts = self.three(self.one(x)).view(batch, length, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.output(y.transpose(1, 2).reshape(batch, length, width))
        return x + self.back(nn.functional.gelu(self.hidden(self.two(x)), approximate="tanh"))


class GPT(nn.Module):
    """An embedding that scores too, and blocks between."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        width, heads = task.size.features, task.size.heads
        self.table = nn.Embedding(VOCABULARY, width)
        nn.init.normal_(self.table.weight, std=width**-0.5)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(task.size.blocks)))
        self.norm = nn.RMSNorm(width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Scores at each place."""
        x = self.table(tokens) * self.table.embedding_dim**0.5
        return self.norm(self.blocks(x)) @ self.table.weight.T
