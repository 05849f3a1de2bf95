"""Vectors of labels from the letters of their names, where no word vectors are at hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reweigh.text.words import words

SIZE = 1024
PARTS = (3, 5)
"""Letters of a part of a word, as in fastText's published vectors for most languages."""


def name_vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """(k, 1024) TF-IDF of parts of words, hashed, of length 1; zero for a text without words.

    Labels that share words, or stems, are near each other; all others stand about at right angles.
    """
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    counts = HashingVectorizer(analyzer="char_wb", ngram_range=PARTS, n_features=SIZE, norm=None).transform(
        [" ".join(words(text)) for text in texts]
    )
    return np.asarray(TfidfTransformer().fit_transform(counts).toarray(), np.float32)
