"""Feature maps as layers, for attention in linear time.

`yat_features` has the map made here, `published_features` those of the literature. Their outputs go
to `pyneurons_yat.ops.linear_attention`.
"""

from .published_features import AnchorFeatures, MaclaurinFeatures, RadialFeatures
from .yat_features import YatFeatures

__all__ = [
    "AnchorFeatures",
    "MaclaurinFeatures",
    "RadialFeatures",
    "YatFeatures",
]
