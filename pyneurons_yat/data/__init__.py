"""Data sets as arrays ready for `fit`: read from files, divided, batched and augmented.

Readers give NumPy arrays: `digits`, `citations`, `load_npz`, `load_idx`, `load_csv`,
`characters`. `train_test_split` divides them. `batches` and `prefetch` serve loops of your own;
`fit` makes its batches itself. Augmentation takes a key and a batch, for `fit(augment=...)`.
"""

from .augmentation import mixup, noise, random_crop, random_erase, random_flip, random_shift
from .batches import Batches, batches, prefetch
from .characters import Vocabulary, characters, windows
from .citations import Citations, citations
from .digits import digits
from .idx import load_idx, read_idx
from .npz import load_npz, save_npz
from .splits import Split, train_test_split
from .tables import Table, load_csv

__all__ = [
    "Batches",
    "Citations",
    "Split",
    "Table",
    "Vocabulary",
    "batches",
    "characters",
    "citations",
    "digits",
    "load_csv",
    "load_idx",
    "load_npz",
    "mixup",
    "noise",
    "prefetch",
    "random_crop",
    "random_erase",
    "random_flip",
    "random_shift",
    "read_idx",
    "save_npz",
    "train_test_split",
    "windows",
]
