"""Where the images that a table names lie in tars: 26 bytes of memory a member, looked up a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reweigh.catalog.grouping import position
from reweigh.catalog.text_numbers import text_numbers
from reweigh.errors import ReweighError
from reweigh.images.tar_members import Member, read_members
from reweigh.layouts.image_names import is_unicode

BLOCK = 65_536


@dataclass(frozen=True, kw_only=True)
class TarPlaces:
    """The members of some tars, by the numbers of their names; arrays (m,)."""

    files: tuple[str, ...]
    """The tars, relative to the catalog's root where they lie below it."""
    numbers: NDArray[np.uint64]
    """`text_numbers` of the names, ascending, each once."""
    tar: NDArray[np.int16]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]


def read_places(tars: Sequence[Path], root: Path) -> TarPlaces:
    """Read the headers of the tars. Of a name that stands twice in one tar the later counts, as when it is unpacked.

    Raises ReweighError for a name that two tars have: a row of the table could mean either.
    """
    parts = [_block(number, members) for number, tar in enumerate(tars) for members in _blocks(read_members(tar))]
    numbers, tar, offset, length = (np.concatenate(column) for column in zip(_EMPTY, *parts, strict=True))
    order = np.lexsort((offset, tar, numbers))
    again = np.flatnonzero(numbers[order[1:]] == numbers[order[:-1]])
    both = again[tar[order[again]] != tar[order[again + 1]]]
    if len(both):
        first, second = order[both[0]], order[both[0] + 1]
        name = next(m.name for m in read_members(tars[tar[first]]) if m.offset == offset[first])
        raise ReweighError(
            f"{name!r} is in {tars[tar[first]]} and in {tars[tar[second]]}; give only one of them by --tar."
        )
    kept = np.delete(order, again)
    files = tuple(str(path.relative_to(root) if path.is_relative_to(root) else path) for path in tars)
    return TarPlaces(files=files, numbers=numbers[kept], tar=tar[kept], offset=offset[kept], length=length[kept])


def find_places(places: TarPlaces, names: pa.Array) -> NDArray[np.int64]:
    """(n,) place of each name among the members, -1 where no tar has it."""
    return position(text_numbers(names), places.numbers)


_Block = tuple[NDArray[np.uint64], NDArray[np.int16], NDArray[np.int64], NDArray[np.int64]]
_EMPTY: _Block = (np.zeros(0, np.uint64), np.zeros(0, np.int16), np.zeros(0, np.int64), np.zeros(0, np.int64))


def _block(number: int, members: list[Member]) -> _Block:
    names, offsets, lengths = zip(*members, strict=True)
    numbers = text_numbers(pa.array(names, pa.string()))
    return numbers, np.full(len(names), number, np.int16), np.array(offsets, np.int64), np.array(lengths, np.int64)


def _blocks(members: Iterator[Member]) -> Iterator[list[Member]]:
    """Members in lists; those whose names are no Unicode are left out, as no table can name them."""
    while block := list(islice(members, BLOCK)):
        if not is_unicode("".join(member.name for member in block)):
            block = [member for member in block if is_unicode(member.name)]
        if block:
            yield block
