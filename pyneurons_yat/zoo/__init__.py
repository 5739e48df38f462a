"""Whole models, written as a user would write them."""

from .block import Block
from .classifiers import relu_classifier, yat_classifier
from .encoder_decoder import EncoderDecoder, Memory, translation_loss
from .feed_forward import FeedForward, GatedFeedForward, YatFeedForward
from .graphs import drop_half, fit_nodes, node_classifier, smooth
from .resnet import ResidualBlock, ResNet
from .sampling import generate, sample, translate
from .trained import model_cards, pretrained
from .transformer import Transformer, caches, extend
from .vae import VAE, draw_images, vae_loss
from .vision_transformer import VisionTransformer

__all__ = [
    "Block",
    "EncoderDecoder",
    "FeedForward",
    "GatedFeedForward",
    "Memory",
    "ResNet",
    "ResidualBlock",
    "Transformer",
    "VAE",
    "VisionTransformer",
    "YatFeedForward",
    "caches",
    "draw_images",
    "drop_half",
    "extend",
    "fit_nodes",
    "generate",
    "model_cards",
    "node_classifier",
    "pretrained",
    "relu_classifier",
    "sample",
    "smooth",
    "translate",
    "translation_loss",
    "vae_loss",
    "yat_classifier",
]
