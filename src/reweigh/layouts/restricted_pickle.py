"""CIFAR's published pickles, read by an unpickler that builds arrays and plain containers only."""

from __future__ import annotations

import io
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from reweigh.errors import ReweighError

ALLOWED = {
    ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"), ("collections", "OrderedDict"),
    ("numpy.core.multiarray", "_reconstruct"), ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "scalar"),
}  # fmt: skip
BROKEN = (
    pickle.UnpicklingError, EOFError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError, MemoryError,
    RecursionError, ImportError, NotImplementedError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What the unpickler raises on bytes that are no pickle, or a hostile one."""
LARGEST = 1 << 30
"""Bytes of the largest pickle that is read; CIFAR's batches have 31 million."""
TORCH_MAGIC = 0x1950A86A20F9469CFC6C


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core") if hasattr(np, "_core") else module, name)


def read_pickle(path: Path) -> Any:
    """The object of a pickle, of a `.pt` file (zipped or older) or of a `.npy` with one pickled object.

    Raises ReweighError for an empty or broken file and for one that asks for anything but arrays and plain containers.
    """
    if not path.is_file():
        raise ReweighError(f"No file {path}.")
    if path.stat().st_size > LARGEST:
        raise ReweighError(
            f"{path} has {path.stat().st_size:,} bytes; no file of labels or batch of CIFAR is over {LARGEST:,}."
        )
    if not path.stat().st_size:
        raise ReweighError(f"{path} is empty (0 bytes): it was published or downloaded so; get it again.")
    try:
        with path.open("rb") as file:
            return _read(path, file)
    except BROKEN as cause:
        raise ReweighError(f"{path} is refused or broken as a pickle of arrays: {cause}.") from cause


def _read(path: Path, file: io.BufferedReader) -> Any:
    if path.suffix == ".npy":
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        if not dtype.hasobject:
            file.seek(0)
            return np.load(file, allow_pickle=False)
        value = _Restricted(file, encoding="latin1").load()
        return value.item() if shape == () else value
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            inside = [info for info in archive.infolist() if info.filename.endswith("data.pkl")]
            if len(inside) != 1 or inside[0].file_size > LARGEST:
                raise ValueError(f"a zip with {len(inside)} data.pkl, or one over {LARGEST:,} bytes")
            return _Restricted(io.BytesIO(archive.read(inside[0])), encoding="latin1").load()
    file.seek(0)
    value = _Restricted(file, encoding="latin1").load()
    if isinstance(value, int) and value == TORCH_MAGIC:  # torch's form before zip: magic, protocol, system, object
        for _ in range(3):
            value = _Restricted(file, encoding="latin1").load()
    return value
