"""Decorators that override a gradient, under the name that pyneurons gives them."""

from .ops.vjp import identity, sign

__all__ = ["identity", "sign"]
