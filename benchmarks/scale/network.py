"""A transformer on paper: its parameters, and the work of a token."""

from typing import NamedTuple


class Network(NamedTuple):
    """The sizes of the zoo's `Transformer`, with an embedding that is the output layer too.

    Attributes:
        name: Of the network.
        vocabulary: How many tokens there are.
        features: Of the residual stream.
        blocks: How many blocks.
        heads: Of the attention.
        kv_heads: Heads of keys and values.
        hidden: Features of the hidden layer.
        length: Tokens of a sequence.
        yat: Whether attention and hidden layer are of Yat neurons; else of dot products and GELU.
    """

    name: str
    vocabulary: int
    features: int
    blocks: int
    heads: int
    kv_heads: int
    hidden: int
    length: int
    yat: bool = True

    @property
    def kv_features(self) -> int:
        """Features of keys, and of values."""
        return self.features // self.heads * self.kv_heads

    @property
    def kernels(self) -> int:
        """Parameters of a block that are factors of products."""
        attention = 2 * self.features * (self.features + self.kv_features)
        return attention + 2 * self.features * self.hidden

    @property
    def vectors(self) -> int:
        """Parameters of a block that are not: of norms, biases, alphas, shifts."""
        return 2 * self.features + (2 * self.hidden + 2 * self.heads if self.yat else 0)

    @property
    def parameters(self) -> int:
        """All parameters."""
        embedding = self.vocabulary * self.features + self.features
        return self.blocks * (self.kernels + self.vectors) + embedding

    @property
    def attended(self) -> int:
        """Operations of a token in one product of queries and keys, all blocks together.

        A causal mask hides half of the keys, and whole blocks of hidden keys are left out.
        """
        return self.blocks * self.length * self.features

    def products(self, again: float = 0.0, model: int = 1) -> float:
        """Operations of a token in the products of a training step.

        Forward, and twice as much backward. Attention forms its scores once more backward, so it
        has 2 products forward and 5 backward.

        Args:
            again: The share of the forward pass of the blocks that is done once more backward.
            model: On so many chips the products of the blocks lie; the logits lie on each whole.
        """
        dense = 2 * self.blocks * self.kernels
        logits = 2 * self.vocabulary * self.features
        forward = dense + 2 * self.attended
        blocks = 3 * dense + 7 * self.attended + again * forward
        return blocks / model + 3 * logits


ONE = Network("1B", 32_768, 2048, 20, 16, 16, 8192, 4096)
SEVENTY = Network("70B", 128_256, 8192, 80, 64, 8, 43_008, 8192)
"""The hidden layer of two kernels holds what the three of a SwiGLU of 28,672 features do."""

SMALL = Network("small", 512, 256, 4, 8, 8, 1024, 64)
"""What is trained on virtual devices: so short that attention on a CPU goes through all heads at
once, as it does elsewhere."""

LONG = SMALL._replace(name="long", length=256)
"""The same, where the length is divided: not into pieces of a few tokens."""

NETWORKS = {network.name: network for network in (ONE, SEVENTY, SMALL, LONG)}
