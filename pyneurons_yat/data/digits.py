"""scikit-learn's handwritten digits."""

import numpy as np

from .splits import Split


def digits(test_share: float = 0.2, seed: int = 0) -> tuple[Split, Split]:
    """The 1,797 real digits of scikit-learn, 8 x 8 pixels each, for training and for testing.

    The pixels are shifted and scaled, all alike, to mean 0 and variance 1 over the training part.
    The parts have the same share of each digit.

    Args:
        test_share: The share of the test part, between 0 and 1.
        seed: The seed of the division.

    Returns:
        The training and the test part, each with x (N, 64) and y (N,).

    Raises:
        ImportError: If scikit-learn is absent; the extra `demo` brings it.

    Example:
        >>> from pyneurons_yat.data import digits
        >>> train, test = digits()
        >>> train.x.shape, test.x.shape
        ((1437, 64), (360, 64))

    Source:
        UCI ML hand-written digits, test part; Alpaydin and Kaynak, 1998.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    images, labels = np.asarray(images, np.float32), np.asarray(labels, np.int32)
    training, testing = train_test_split(
        np.arange(len(labels)), test_size=test_share, random_state=seed, stratify=labels
    )
    mean, deviation = images[training].mean(), images[training].std()
    x = (images - mean) / deviation
    return Split(x[training], labels[training]), Split(x[testing], labels[testing])
