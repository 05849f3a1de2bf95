"""Declared duplicates: rows drawn once more, under the same label or another one, as the same bytes or written anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.webify.draw import Drawn
from reweigh.webify.generators import Purpose, class_generator
from reweigh.webify.kinds import CROSSED, OUT_OF_SET
from reweigh.webify.settings import WebifySettings

ITSELF, SAME_BYTES, WRITTEN_ANEW = 0, 1, 2
"""Values of Drawn.copy."""
SAME_LABEL, OTHER_LABEL = 0, 1


def with_duplicates(drawn: Drawn, numbers: tuple[int, ...], settings: WebifySettings, *, seed: int) -> Drawn:
    """The rows and, after them, their repetitions: each row at most once under its label and once under another one.

    numbers (k,): the kept classes' numbers in the given set. A repetition under the same label keeps its kind. One under
    another class's label, which is neither the row's label nor its truth, is of kind `crossed`, out of set stays out of
    set. Each has a source of its own.
    Raises ReweighError where there is no third class for it.
    """
    k = len(numbers)
    if settings.crossed and k < 3:
        raise ReweighError(f"webify.crossed needs three classes: an image's own, its label's and another; found {k}.")
    if not settings.duplicates and not settings.crossed:
        return drawn
    parts = [drawn]
    for c in range(k):
        rows = np.flatnonzero(drawn.label == c)
        uniforms = class_generator(seed, Purpose.DUPLICATES, numbers[c]).random((len(rows), 8))
        for other, share in ((SAME_LABEL, settings.duplicates), (OTHER_LABEL, settings.crossed)):
            own = uniforms[:, 4 * other : 4 * other + 4]
            chosen = own[:, 0] < share
            parts.append(
                _repeated(drawn, rows[chosen], own[chosen, 1:], settings, k=k, is_crossed=other == OTHER_LABEL)
            )
    return replace(
        drawn,
        image=np.concatenate([part.image for part in parts]),
        label=np.concatenate([part.label for part in parts]),
        truth=np.concatenate([part.truth for part in parts]),
        kind=np.concatenate([part.kind for part in parts]),
        source=np.concatenate([part.source for part in parts]),
        copy=np.concatenate([part.copy for part in parts]),
    )


def _repeated(
    drawn: Drawn,
    rows: NDArray[np.int64],
    uniforms: NDArray[np.float64],
    settings: WebifySettings,
    *,
    k: int,
    is_crossed: bool,
) -> Drawn:
    """These rows once more; uniforms (m, 3) decide on label, source and bytes."""
    label, truth, kind = drawn.label[rows], drawn.truth[rows], drawn.kind[rows]
    if is_crossed:
        allowed = np.ones((len(rows), k), bool)
        allowed[np.arange(len(rows)), label] = False
        known = truth >= 0
        allowed[np.flatnonzero(known), truth[known]] = False
        nth = (uniforms[:, 0] * allowed.sum(axis=1)).astype(np.int64)
        label = (np.cumsum(allowed, axis=1) <= nth[:, None]).sum(axis=1).astype(np.int32)
        kind = np.where(kind == OUT_OF_SET, kind, np.int8(CROSSED))
    copy = np.where(uniforms[:, 2] < settings.recompressed, WRITTEN_ANEW, SAME_BYTES)
    source = uniforms[:, 1] * len(settings.source_noise)
    return replace(
        drawn, image=drawn.image[rows], label=label, kind=kind.astype(np.int8), truth=truth,
        source=source.astype(np.int32), copy=copy.astype(np.int8),
    )  # fmt: skip
