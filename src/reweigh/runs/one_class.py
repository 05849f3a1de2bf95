"""What can be said of images that all have one label: copies, unreadable files, and which of them lie apart from the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog, read_columns, read_copies, read_labels, read_uids
from reweigh.evidence.density import density_share
from reweigh.features.projection import fit_projection, project
from reweigh.features.store import Features, unreadable_rows
from reweigh.runs.verdict_csv import BYTE_ORDER_MARK, harmless
from reweigh.whole_files import write_bytes

REVIEW = "review.csv"
COMPONENTS = 256
NEAR_FEW = 0.05
"""An image with fewer of the others near it than this is counted as lying apart."""


@dataclass(frozen=True, kw_only=True)
class LoneClass:
    """n labelled images of one class."""

    rows: NDArray[np.int64]
    """(n,) rows of the catalog"""
    share_near: NDArray[np.float32]
    """(n,) share of the other images that are near; NaN: unreadable, a copy, or there is no other"""
    copy_of: NDArray[np.int64]
    """(n,) row of the catalog that has the same bytes and comes first, -1 = none"""
    is_readable: NDArray[np.bool_]
    """(n,)"""


def look_at_lone_class(catalog: Catalog, features: Features, label: int, *, seed: int) -> LoneClass:
    """Copies, unreadable images, and for all others how many lie near: CurriculumNet's density, in one class.

    Density says what is unusual, not what is wrong: a rare view of the right thing lies apart too.
    """
    rows = np.flatnonzero(read_labels(catalog) == label)
    _, at, member = np.unique(read_copies(catalog)[rows], return_index=True, return_inverse=True)
    first = rows[at][member]
    readable = ~np.isin(rows, unreadable_rows(features))
    compared = np.flatnonzero(readable & (first == rows))
    near = np.full(len(rows), np.nan, np.float32)
    if len(compared) > 1:
        own = rows[compared]
        projection = fit_projection(features, own, n_components=COMPONENTS, seed=seed, centred=True)
        near[compared] = density_share(project(features, own, projection), seed=np.random.SeedSequence([seed, 2, 0]))
    return LoneClass(rows=rows, share_near=near, copy_of=np.where(first == rows, -1, first), is_readable=readable)


def review_order(found: LoneClass) -> NDArray[np.int64]:
    """(n,) positions in the order to look at them: what lies apart first, then copies, then what cannot be read."""
    kind = np.where(found.is_readable, np.where(found.copy_of >= 0, 1, 0), 2)
    near = np.nan_to_num(found.share_near, nan=1.0)
    return np.lexsort((np.arange(len(near)), near, kind))


def write_review(found: LoneClass, catalog: Catalog, run: Path) -> Path:
    """RUN/review.csv: uid, split, review_order, near_share, reason. No column says wrong, as nothing here can tell."""
    order = review_order(found)
    rows = found.rows[order]
    table = pa.table(
        {
            "uid": harmless(read_columns(catalog, ["uid"], rows)["uid"]),
            "split": read_columns(catalog, ["split"], rows)["split"],
            "review_order": pa.array(np.arange(1, len(rows) + 1)),
            "near_share": pa.array(np.round(found.share_near[order].astype(np.float64), 4), from_pandas=True),
            "reason": harmless(pa.array(_reasons(found, catalog, order), pa.string())),
        }
    )
    made = pa.BufferOutputStream()
    pyarrow.csv.write_csv(table, made)
    write_bytes(run / REVIEW, BYTE_ORDER_MARK + made.getvalue().to_pybytes())
    return run / REVIEW


def lone_class_lines(found: LoneClass, name: str) -> list[tuple[str, str]]:
    """(name, value) of what could be told."""
    apart = int((found.share_near < NEAR_FEW).sum())
    return [
        ("images", f"{len(found.rows):,}, all labelled {name!r}"),
        ("labels judged", "none: there is no other class to compare with"),
        ("exact copies of another", f"{int((found.copy_of >= 0).sum()):,}"),
        ("unreadable", f"{int((~found.is_readable).sum()):,}"),
        (f"apart from the others (under {100 * NEAR_FEW:.0f} % of them near)", f"{apart:,}"),
    ]


def _reasons(found: LoneClass, catalog: Catalog, order: NDArray[np.int64]) -> list[str]:
    """A clause for each image, in this order."""
    usual = np.nanmedian(found.share_near) if np.isfinite(found.share_near).any() else np.nan
    copied = np.unique(found.copy_of[found.copy_of >= 0])
    uid_of: dict[int, Any] = dict(zip(copied.tolist(), read_uids(catalog, copied), strict=True))
    said = []
    for at in order:
        if not found.is_readable[at]:
            said.append("cannot be read")
        elif found.copy_of[at] >= 0:
            said.append(f"same bytes as {uid_of[int(found.copy_of[at])]}")
        elif np.isnan(found.share_near[at]):
            said.append("the only one")
        else:
            said.append(
                f"{100 * found.share_near[at]:.0f} % of the other images are near it; the middle one has {100 * usual:.0f} %"
            )
    return said
