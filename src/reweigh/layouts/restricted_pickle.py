"""CIFAR's published pickles, read by an unpickler that builds arrays and plain containers only."""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError

ALLOWED = {
    ("numpy", "dtype"), ("_codecs", "encode"), ("collections", "OrderedDict"),
    ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"),
}  # fmt: skip
MEMO = ("PUT", "BINPUT", "LONG_BINPUT")
"""Operations that number an object, to be named again by."""
BROKEN = (
    pickle.UnpicklingError, EOFError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError, MemoryError,
    RecursionError, ImportError, NotImplementedError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What the unpickler raises on bytes that are no pickle, or a hostile one."""
LARGEST = 1 << 30
"""Bytes of the largest pickle that is read; CIFAR's batches have 31 million."""
TORCH_MAGIC = 0x1950A86A20F9469CFC6C


def _reconstruct(kind: object, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """The empty array whose state comes next; NumPy's own would allot whatever shape the file names."""
    if shape != (0,):
        raise pickle.UnpicklingError(f"an array that begins with shape {shape!r}")
    return np.ndarray(shape, dtype)


OURS = {
    ("numpy", "ndarray"): "ndarray",
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
}
"""What stands in for names of NumPy: `ndarray` is only an argument there, and nothing to call."""


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in OURS:
            return OURS[module, name]
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
        return _read(path, path.read_bytes())
    except BROKEN as cause:
        raise ReweighError(f"{path} is refused or broken as a pickle of arrays: {cause}.") from cause


def _read(path: Path, data: bytes) -> Any:
    stream = io.BytesIO(data)
    if path.suffix == ".npy":
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(stream)
        if not dtype.hasobject:
            if math.prod(shape) * dtype.itemsize > len(data):
                raise ValueError(f"an array of shape {shape} in {len(data):,} bytes")
            stream.seek(0)
            return np.load(stream, allow_pickle=False)
        value = _load(stream)
        return value.item() if shape == () else value
    if zipfile.is_zipfile(stream):
        with zipfile.ZipFile(stream) as archive:
            inside = [info for info in archive.infolist() if info.filename.endswith("data.pkl")]
            if len(inside) != 1 or inside[0].file_size > LARGEST:
                raise ValueError(f"a zip with {len(inside)} data.pkl, or one over {LARGEST:,} bytes")
            return _load(io.BytesIO(archive.read(inside[0])))
    stream.seek(0)
    value = _load(stream)
    if isinstance(value, int) and value == TORCH_MAGIC:  # torch's form before zip: magic, protocol, system, object
        for _ in range(3):
            value = _load(stream)
    return value


def _load(stream: io.BytesIO) -> Any:
    """The next pickle of the stream. A number beyond those in use would make the unpickler allot room for all below it."""
    start = stream.tell()
    for count, (operation, argument, _) in enumerate(pickletools.genops(stream)):
        if operation.name in MEMO and int(argument or 0) > count:
            raise pickle.UnpicklingError(f"object {count:,} numbered {argument:,}")
    stream.seek(start)
    return _Restricted(stream, encoding="latin1").load()
