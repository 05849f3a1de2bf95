"""Links that lead out of a data set's folder: followed and counted, or refused."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

FOLLOW, REFUSE = "follow", "refuse"
"""Values of the option `links`: a set may lie on several disks, or come from somebody whom nobody knows."""
LEADS_OUT = "images are reached by links that lead out of the folder (--option links=refuse leaves them out)"
REFUSED = "reached by a link that leads out of the folder"


@dataclass
class Links:
    """Where the folders that were met so far really lie."""

    root: Path | None
    is_followed: bool
    inside: dict[str, bool] = field(default_factory=dict)
    """Folder relative to the root, with a / at its end -> whether it lies below the root"""

    def lead_out(self, files: pa.Array, *, are_files_asked: bool) -> NDArray[np.bool_]:
        """(n,) whether a link on the way to a file, relative to the root, leads out of it; paths from / are what a user named himself.

        are_files_asked: each file is asked whether it is a link, not only the folders, once each.
        """
        assert self.root is not None
        folders = pc.replace_substring_regex(files, pattern="[^/]*$", replacement="").dictionary_encode()
        names = folders.dictionary.to_pylist()
        for name in names:
            if name not in self.inside:
                self.inside[name] = name.startswith("/") or self._is_inside(self.root / name)
        is_out = np.array([not self.inside[name] for name in names], bool)[np.asarray(folders.indices)]
        if are_files_asked:
            for row, file in enumerate(files.to_pylist()):
                path = f"{self.root}/{file}"
                is_out[row] |= not file.startswith("/") and os.path.islink(path) and not self._is_inside(Path(path))  # noqa: PTH114 a text
        return is_out

    def _is_inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(str(self.root)))
