"""The rows of the new catalog as tables: drawn ones, relabelled ones, and those that stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reweigh.catalog.schema import IMAGE_SCHEMA, KIND
from reweigh.catalog.tables import Catalog, image_locations, read_columns, read_labels
from reweigh.layouts.content import hash_images, hashing
from reweigh.webify.draw import Drawn
from reweigh.webify.duplicates import ITSELF, SAME_BYTES, WRITTEN_ANEW
from reweigh.webify.flips import Flipped
from reweigh.webify.given import Given, Selection
from reweigh.webify.kinds import KINDS
from reweigh.webify.side_text import SideText
from reweigh.webify.written_anew import FOLDER, write_anew

PERSONS = ("verified_label", "verified")
"""What a person said of the old labels: the truth says it now."""
SCHEMA = pa.schema([*IMAGE_SCHEMA, pa.field("truth", pa.int32()), KIND])


@dataclass(frozen=True, kw_only=True)
class Side:
    """What stands beside the drawn images; columns of n rows."""

    source: tuple[str, ...]
    rank: NDArray[np.int32]
    text: SideText


def drawn_table(given: Given, drawn: Drawn, side: Side, folder: Path) -> pa.Table:
    """The drawn rows. Near duplicates are written into `folder`; their `file` is below the new catalog's own folder."""
    table = read_columns(given.catalog, IMAGE_SCHEMA.names, drawn.image)
    uids = [
        uid if copy == ITSELF else f"{uid}#{'again' if kind != 'crossed' else kind}"
        for uid, copy, kind in zip(table["uid"].to_pylist(), drawn.copy, _repeats(drawn), strict=True)
    ]
    text = side.text
    columns: dict[str, Any] = {
        "uid": uids, "label": drawn.label, "source": list(side.source), "query": list(text.query), "rank": side.rank,
        "title": list(text.title), "description": list(text.description), "tags": [t and list(t) for t in text.tags],
        "truth": drawn.truth, "kind": [KINDS[kind] for kind in drawn.kind],
    }  # fmt: skip
    columns |= _bytes_of_copies(given.catalog, drawn, table, uids, folder)
    return _table(table, columns)


def relabelled_table(given: Given, selection: Selection, flipped: Flipped) -> pa.Table:
    """The training rows with their new labels, everything else beside them as it was."""
    kept = np.flatnonzero(flipped.label >= 0)
    rows = selection.train[kept]
    kinds = [KINDS[kind] for kind in flipped.kind[kept]]
    truth = selection.place[given.truth[rows]]
    table = read_columns(given.catalog, IMAGE_SCHEMA.names, rows)
    return _table(table, {"label": flipped.label[kept], "truth": truth, "kind": kinds})


def fixed_table(given: Given, selection: Selection) -> pa.Table:
    """The rows of val and test, untouched but for the classes' new numbers; the truth of a labelled one is its label."""
    rows = selection.fixed
    labels = read_labels(given.catalog)[rows]
    label = np.where(labels >= 0, selection.place[labels], -1).astype(np.int32)
    known = pa.array(label >= 0)
    table = read_columns(given.catalog, IMAGE_SCHEMA.names, rows)
    checked = table["verified_label"].to_pylist()
    columns = {
        "label": label, "truth": pa.array(label, mask=label < 0),
        "kind": pa.array(["right"] * len(rows), pa.string(), mask=~np.asarray(known)),
        "verified_label": [None if c is None else int(selection.place[c]) if c >= 0 else -1 for c in checked],
    }  # fmt: skip
    return _table(table, columns, is_fixed=True)


def with_absolute_files(table: pa.Table, root: Path, folder: str) -> pa.Table:
    """The table with `file` as whole paths, but for those in `folder`: for a catalog that has images of its own."""
    files = [f if f.startswith(f"{folder}/") else str(root / f) for f in table["file"].to_pylist()]
    return table.set_column(table.schema.get_field_index("file"), table.schema.field("file"), pa.array(files))


def _repeats(drawn: Drawn) -> list[str]:
    """ "crossed" for a row that repeats an image under another label than the image's first one has, else ""."""
    first: dict[int, int] = {}
    made = []
    for image, label in zip(drawn.image.tolist(), drawn.label.tolist(), strict=True):
        made.append("crossed" if first.setdefault(image, label) != label else "")
    return made


def _bytes_of_copies(
    catalog: Catalog, drawn: Drawn, table: pa.Table, uids: Sequence[str], folder: Path
) -> dict[str, Any]:
    """Columns file, offset, length and content where there are copies: of the same bytes the same, of others anew."""
    if not drawn.copy.any():
        return {}
    file, offset, length, content = (table[n].to_pylist() for n in ("file", "offset", "length", "content"))
    repeated = set(drawn.image[drawn.copy == SAME_BYTES].tolist())
    unknown = [row for row, image in enumerate(drawn.image.tolist()) if image in repeated and content[row] is None]
    with hashing() as pool:
        hashes = hash_images(pool, image_locations(catalog, drawn.image[unknown]))
    for row, (digest, _) in zip(unknown, hashes, strict=True):
        content[row] = digest
    anew = np.flatnonzero(drawn.copy == WRITTEN_ANEW).tolist()
    written = write_anew(image_locations(catalog, drawn.image[anew]), [uids[i] for i in anew], folder)
    for row, (name, own) in zip(anew, written, strict=True):
        file[row], offset[row], length[row], content[row] = f"{FOLDER}/{name}", None, None, own
    return {"file": file, "offset": offset, "length": length, "content": content}


def _table(table: pa.Table, columns: dict[str, Any], *, is_fixed: bool = False) -> pa.Table:
    """The table with these columns in the place of its own, in the order and types of SCHEMA."""
    arrays = []
    for field in SCHEMA:
        values = columns.get(field.name)
        if values is None and field.name in PERSONS and not is_fixed:
            values = pa.nulls(table.num_rows, field.type)
        elif values is None:
            values = table[field.name].combine_chunks()
        arrays.append(values.cast(field.type) if isinstance(values, pa.Array) else pa.array(values, field.type))
    return pa.table(arrays, schema=SCHEMA)
