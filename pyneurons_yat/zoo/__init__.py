"""Whole models, written as a user would write them."""

from .classifiers import relu_classifier, yat_classifier
from .feed_forward import GatedFeedForward, YatFeedForward
from .graphs import drop_half, fit_nodes, node_classifier, smooth
from .sampling import generate, sample
from .transformer import Block, Transformer, caches, extend
from .vae import VAE, draw_images, vae_loss

__all__ = [
    "Block",
    "GatedFeedForward",
    "Transformer",
    "VAE",
    "YatFeedForward",
    "caches",
    "draw_images",
    "drop_half",
    "extend",
    "fit_nodes",
    "generate",
    "node_classifier",
    "relu_classifier",
    "sample",
    "smooth",
    "vae_loss",
    "yat_classifier",
]
