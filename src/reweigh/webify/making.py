"""`webify`: a new catalog from a clean one, with its truth and a summary of what was made."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from reweigh.catalog.schema import HIERARCHY
from reweigh.catalog.tables import Catalog, read_classes, read_sources, read_uids
from reweigh.catalog.writing import write_catalog
from reweigh.errors import ReweighError
from reweigh.progress import Progress, silent
from reweigh.webify.draw import Stock, draw
from reweigh.webify.duplicates import with_duplicates
from reweigh.webify.flips import corrupted, corruption_matrix, mixed
from reweigh.webify.generators import Purpose, uniforms_by_uid
from reweigh.webify.given import Given, Selection, select
from reweigh.webify.kinds import check_similarity
from reweigh.webify.ranks import draw_ranks
from reweigh.webify.settings import WebifySettings
from reweigh.webify.side_text import ClassWords, draw_text, gloss_words
from reweigh.webify.summary import Line, summarize
from reweigh.webify.tables import Side, drawn_table, fixed_table, relabelled_table, with_absolute_files
from reweigh.webify.written_anew import FOLDER

BLOCK = 16_384
NO_POOL: Line = ("out of set", "no pool: its share of the errors goes to near and far")


@dataclass(frozen=True, kw_only=True)
class Webified:
    """A made catalog and what there is to say of it."""

    catalog: Catalog
    summary: tuple[Line, ...]
    """(name, value)"""


def webify(
    given: Given, output: Path, settings: WebifySettings | None = None, *, seed: int = 0, progress: Progress = silent
) -> Webified:
    """A catalog at `output` whose labels are wrong in a known way; same arguments, same bytes.

    Images stay where they are, under their own uids (a repeated one has #again or #crossed after it). Rows of val and
    test are as they were; those of the pool's classes are left out. Columns of the source beyond the catalog's own are
    left out, as they may tell the truth.
    Raises ReweighError for an `output` that exists and for a set that the settings do not fit.
    """
    settings = settings or WebifySettings()
    if output.exists():
        raise ReweighError(f"{output} exists; a catalog is never rewritten in place. Give another -o, or remove it.")
    selection = select(given, settings)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
        images = Path(scratch) / FOLDER
        images.mkdir()
        train, n_max, facts = _training_rows(given, selection, settings, images, seed=seed)
        fixed = fixed_table(given, selection)
        has_images = any(images.iterdir())
        if has_images:
            train, fixed = (with_absolute_files(table, given.catalog.root, FOLDER) for table in (train, fixed))
        catalog = write_catalog(
            output,
            _batches(train, fixed),
            selection.classes,
            layout="webify",
            options=_options(given, settings, n_max, seed=seed),
            root=None if has_images else given.catalog.root,
            with_truth=True,
            with_kinds=True,
            hierarchy=_hierarchy(given, selection),
            total=len(train) + len(fixed),
            progress=progress,
            beside={FOLDER: images} if has_images else None,
        )
    lines = summarize(train, fixed, selection.classes, n_max=n_max, is_chosen=not settings.n_max)
    left_out = [(name, f"{count:,}") for name, count in selection.left_out if count]
    return Webified(catalog=catalog, summary=(*given.notes, *lines, *facts, *left_out))


def _training_rows(
    given: Given, selection: Selection, settings: WebifySettings, images: Path, *, seed: int
) -> tuple[pa.Table, int, list[Line]]:
    """(training rows, size of the largest class or 0 where sizes stay, what went otherwise than the settings ask)."""
    facts = [] if settings.corruption or len(selection.pool) or not settings.out_of_set else [NO_POOL]
    if settings.keep_side or settings.corruption:
        train = _relabelled(given, selection, settings, seed=seed)
        unused = len(selection.train) - len(train)
        left = ("training images of the pool's classes left out", f"{unused:,}")
        return train, 0, [*facts, left] if unused else facts
    stock = _stock(given, selection, seed=seed)
    numbers = stock.numbers
    drawn = draw(stock, _similarity(given, selection), settings, seed=seed)
    drawn = with_duplicates(drawn, numbers, settings, seed=seed)
    text = draw_text(drawn, numbers, given.truth[drawn.image], _words(given), settings, seed=seed)
    names = [f"search-{i + 1}" for i in range(len(settings.source_noise))]
    side = Side(
        source=tuple(names[i] for i in drawn.source), rank=draw_ranks(drawn, numbers, settings, seed=seed), text=text
    )
    facts += [(name, f"{count:,}") for name, count in drawn.facts if count]
    facts.append(("side text made of", _made_of(given, selection)))
    return drawn_table(given, drawn, side, images), drawn.n_max, facts


def _stock(given: Given, selection: Selection, *, seed: int) -> Stock:
    """Images of each class and of the pool, in an order that hangs on their uids and the seed alone."""
    rows = selection.train
    keys = uniforms_by_uid(read_uids(given.catalog, rows), seed=seed, purpose=Purpose.IMAGES)[:, 0]
    rows = rows[np.argsort(keys, kind="stable")]
    place = selection.place[given.truth[rows]]
    return Stock(
        numbers=tuple(selection.kept.tolist()),
        names=selection.classes.names,
        images=tuple(rows[place == c] for c in range(len(selection.kept))),
        pool=rows[place < 0],
    )


def _relabelled(given: Given, selection: Selection, settings: WebifySettings, *, seed: int) -> pa.Table:
    rows, names = selection.train, selection.classes.names
    truth, uids = selection.place[given.truth[rows]], read_uids(given.catalog, rows)
    if settings.corruption:
        matrix = corruption_matrix(settings, len(names), given.matrix)
        flipped = corrupted(truth, uids, matrix, kind=settings.corruption, seed=seed)
    else:
        source = read_sources(given.catalog)[0][rows]
        flipped = mixed(
            truth, source, uids, _similarity(given, selection), names, selection.kept.tolist(), settings, seed=seed
        )
    return relabelled_table(given, selection, flipped)


def _similarity(given: Given, selection: Selection) -> Any:
    """(kept classes, kept classes) float64, checked."""
    if given.similarity is None:
        raise ReweighError("Near errors need a similarity of the classes; none was given.")
    names = read_classes(given.catalog).names
    return check_similarity(given.similarity, names)[np.ix_(selection.kept, selection.kept)]


def _words(given: Given) -> ClassWords:
    classes = read_classes(given.catalog)
    glosses = given.glosses or (None,) * len(classes.names)
    return ClassWords(
        lemmas=tuple(words or (name,) for name, words in zip(classes.names, classes.words, strict=True)),
        gloss=tuple(gloss_words(d or gloss) for d, gloss in zip(classes.descriptions, glosses, strict=True)),
    )


def _made_of(given: Given, selection: Selection) -> str:
    """What is known of the kept classes that side text says, in words."""
    classes, kept = read_classes(given.catalog), selection.kept.tolist()
    glosses = given.glosses or (None,) * len(classes.names)
    own = sum(bool(classes.descriptions[c]) for c in kept)
    filled = sum(bool(glosses[c]) and not classes.descriptions[c] for c in kept)
    words = sum(any(word != classes.names[c] for word in classes.words[c]) for c in kept)
    said = f"other words than the name of {words:,} of {len(kept):,} classes, descriptions of {own + filled:,}"
    return f"{said} (of {filled:,} WordNet's)" if filled else said


def _batches(*tables: pa.Table) -> Iterator[pa.RecordBatch]:
    for table in tables:
        yield from table.combine_chunks().to_batches(max_chunksize=BLOCK)


def _options(given: Given, settings: WebifySettings, n_max: int, *, seed: int) -> dict[str, Any]:
    """What the catalog remembers of its making."""
    return {
        "from": given.catalog.fingerprint,
        "seed": seed,
        **{name.replace(" ", "_"): value for name, value in given.notes},
        "settings": asdict(settings),
        "n_max": n_max,
    }


def _hierarchy(given: Given, selection: Selection) -> list[tuple[str, str]]:
    """The given set's, without the classes that are put aside."""
    path = given.catalog.path / HIERARCHY
    if not path.is_file():
        return []
    names = read_classes(given.catalog).names
    aside = {names[c] for c in selection.pool}
    table = pq.read_table(path)
    pairs = zip(table["child"].to_pylist(), table["parent"].to_pylist(), strict=True)
    return [pair for pair in pairs if pair[0] not in aside]
