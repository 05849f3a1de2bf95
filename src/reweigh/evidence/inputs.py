"""What a piece of evidence is made from. There is no way from here to the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reweigh.catalog.tables import Classes
from reweigh.features.matrix import FeatureMatrix
from reweigh.probes.settings import ProbeSettings
from reweigh.progress import Progress, silent
from reweigh.ranks import ALONE, Ranks

PredictFold = Callable[[int, NDArray[np.bool_], NDArray[np.bool_]], Iterator[NDArray[np.float32]]]
"""(fold, rows that may be learnt from (n,), rows to predict (n,)) -> their log-probabilities, blocks (b, k) in order"""


@dataclass(frozen=True, kw_only=True)
class EvidenceInputs:
    """Training rows and what is known about them."""

    features: FeatureMatrix
    rows: NDArray[np.int64]
    """(n,) positions into the features, those of the catalog's rows"""
    labels: NDArray[np.integer]
    """(n,) given label of each of `rows`, -1 = none"""
    groups: NDArray[np.int64]
    """(n,) number of each row's group"""
    k: int
    probe: ProbeSettings
    is_fitted: NDArray[np.bool_] | None = None
    """(n,) rows that models may learn from; None: all. The others are judged like any row."""
    person: NDArray[np.float32] | None = None
    """(n,) what a person said of the label, as far as it may serve: 1 right, 0 wrong, NaN nothing; None: nobody looked"""
    columns: Callable[[Sequence[str], NDArray[np.int64]], pa.Table] | None = None
    """columns(names, positions into `rows`) -> table of texts; None: there are no columns"""
    classes: Classes | None = None
    uids: Callable[[NDArray[np.int64]], list[str]] | None = None
    """names rows in errors"""
    workspace: Path | None = None
    """finished parts are kept here so that a killed run goes on; the same inputs must come again"""
    progress: Progress = silent
    predict_fold: PredictFold | None = None
    """Held-out predictions by something else than a probe; None: by a probe"""
    ranks: Ranks = ALONE
    """Who else makes this piece at the same moment"""
    made: Mapping[str, Any] = field(default_factory=dict)
    """the pieces made before, by name: those that `needs` lists are there"""
