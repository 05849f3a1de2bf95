"""Names of files and folders made from texts that anybody may have written: none leaves its folder or hides."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence

LONGEST = 120
"""Bytes of a name; file systems end at 255, some less, and a number may follow."""
LONGEST_ENDING = 12
SEPARATORS = '/\\:*?"<>|'
"""What parts a path, or cannot stand in a name under Windows."""


def safe_name(text: str, *, empty: str) -> str:
    """`text` as one visible part of a path: separators and control characters become `_`; never `.`, `..` or hidden.

    At most 120 bytes, of which its ending (.jpg) is kept; `empty` where nothing is left.
    """
    name = "".join(_shown(character) for character in text)
    name = name.strip(" .") if name.strip(" .") else empty
    stem, dot, ending = name.rpartition(".")
    if not stem or len((dot + ending).encode()) > LONGEST_ENDING:
        stem, dot, ending = name, "", ""
    room = LONGEST - len((dot + ending).encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + dot + ending


def _shown(character: str) -> str:
    kind = unicodedata.category(character)[0]
    return "_" if character in SEPARATORS or kind == "C" else " " if kind == "Z" else character


def last_part(path: str) -> str:
    """What stands behind the last separator of a path of either kind."""
    return path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def folder_names(names: Sequence[str], *, taken: Iterable[str] = ()) -> tuple[str, ...]:
    """A folder's name for each class, all different even where capitals do not count, and none of `taken`."""
    used, made = {name.casefold() for name in taken}, []
    for number, name in enumerate(names):
        plain = safe_name(name, empty=f"class {number}")
        found, count = plain, 2
        while found.casefold() in used:
            found, count = f"{plain}-{count}", count + 1
        used.add(found.casefold())
        made.append(found)
    return tuple(made)


def with_mark(name: str, uid: str, attempt: int) -> str:
    """`name` told apart by its image's uid: x.jpg -> x-1a2b3c4d.jpg, then x-1a2b3c4d-2.jpg."""
    stem, dot, ending = name.rpartition(".")
    stem, ending = (stem, dot + ending) if stem else (name, "")
    mark = hashlib.blake2b(uid.encode(errors="surrogatepass"), digest_size=4).hexdigest()
    return f"{stem}-{mark}{'' if attempt == 1 else f'-{attempt}'}{ending}"
