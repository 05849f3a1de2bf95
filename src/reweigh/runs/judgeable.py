"""What can be judged of some labels, and what it needs where it cannot: said before hours of extraction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.splits import Splits
from reweigh.catalog.tables import Catalog, read_classes, read_groups, read_labels
from reweigh.errors import ReweighError

FEW = 5
"""Images of a class below which a verdict on its labels is weak: every fold learns it from four or fewer."""
NAMED = 5


def lone_class(catalog: Catalog, splits: Splits) -> int | None:
    """The class, where all labelled training images are of one: there is nothing to compare its labels with.

    Raises ReweighError where no training image has a label, and where all of several classes are in one group.
    """
    labels, groups = read_labels(catalog)[splits.train], read_groups(catalog)[splits.train]
    found = np.unique(labels[labels >= 0])
    if not len(found):
        raise ReweighError(
            f"None of the {catalog.n:,} images of {catalog.path} for training has a label; there is nothing to check. "
            "Sort them into a folder a class, or give a table with file and label."
        )
    if len(found) == 1:
        return int(found[0])
    if len(np.unique(groups[labels >= 0])) == 1:
        raise ReweighError(
            f"All {(labels >= 0).sum():,} labelled images of {catalog.path} are in one group (column group), or one image byte for byte; "
            "a group is judged by what was learnt from others: leave the column out, name groups that are smaller, or add other images."
        )
    return None


def needed_for(catalog: Catalog, label: int) -> str:
    """One line: why the labels of a lone class cannot be judged, and what to add."""
    name = read_classes(catalog).names[label]
    return (
        f"all labels are {name!r}: with nothing to compare, no label can be called wrong. Put a folder of another class beside it, "
        "or a folder `background` of any images that do not show it (a few hundred will do), and check again with another -o"
    )


def weak_classes(labels: NDArray[np.int32], names: Sequence[str]) -> str | None:
    """One line that names the classes of fewer than five of these images, the smallest first; None where there are none.

    labels (n,), -1 = none. A class without any image is left to the catalog's own warning.
    """
    sizes = np.bincount(labels[labels >= 0], minlength=len(names))
    few = np.flatnonzero((sizes > 0) & (sizes < FEW))
    if not len(few):
        return None
    order = few[np.argsort(sizes[few], kind="stable")]
    shown = ", ".join(f"{names[c]} ({sizes[c]})" for c in order[:NAMED]) + (" ..." if len(few) > NAMED else "")
    what = "1 class has" if len(few) == 1 else f"{len(few):,} classes have"
    return f"{what} fewer than {FEW} images to learn from and can only be judged weakly: {shown}"
