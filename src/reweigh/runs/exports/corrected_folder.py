"""A corrected copy of the data, made of links: a folder a class, and those whose label is wrong apart."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from reweigh.catalog.tables import ImageLocation
from reweigh.progress import Progress, silent
from reweigh.runs.exports.exported import Exported
from reweigh.runs.exports.image_files import is_there, put_image
from reweigh.runs.exports.judged_run import Block, JudgedRun, blocks, suggested
from reweigh.runs.exports.present_images import PLACE, locations, look_at_images
from reweigh.runs.exports.safe_names import folder_names
from reweigh.whole_files import whole_folder

WRONG, NONE_OF_THE_CLASSES, UNREADABLE = "_wrong", "_none_of_the_classes", "_unreadable"
NO_SUGGESTION = "_no_suggestion"
KEPT, MOVED, GONE = "kept", "moved", "gone"


def export_folder(judged: JudgedRun, output: Path, *, correct: bool = False, progress: Progress = silent) -> Exported:
    """Write `output`/<class>/ of the images whose label is kept, and apart from them:

    _wrong/<given>/<suggested>/ (`correct`: these go to <suggested>/), _none_of_the_classes/<given>/, _unreadable/<given>/.
    Where the images come in several splits, the split stands before the class: train/<class>/, _wrong/train/<given>/...
    Whole or not at all. Raises ReweighError, before anything is written, for images that are not there any more.
    """
    splits = look_at_images(judged, progress=progress).splits
    folders = folder_names(judged.names, taken=(WRONG, NONE_OF_THE_CLASSES, UNREADABLE, NO_SUGGESTION))
    kinds: Counter[str] = Counter()
    ways: Counter[str] = Counter()
    with whole_folder(output) as partial:
        for block in blocks(judged, PLACE, stage="folder", progress=progress):
            places = _places(block, folders, correct=correct, with_splits=len(splits) > 1)
            _put(partial, block, locations(judged, block), places, kinds, ways)
    notes = _notes(judged, folders, kinds, ways, has_splits=len(splits) > 1)
    return Exported(output=output, lines=_lines(kinds, ways), notes=notes)


def place_of(
    given: str, suggestion: str | None, *, is_wrong: bool, is_none: bool, is_unreadable: bool, split: str | None, correct: bool
) -> tuple[str, tuple[str, ...]]:  # fmt: skip
    """(kind, parts of the folder) of an image, by its verdict. None of the classes goes before wrong: no class is its place."""
    before = () if split is None else (split,)
    if is_unreadable:
        return UNREADABLE, (UNREADABLE, *before, given)
    if is_none:
        return NONE_OF_THE_CLASSES, (NONE_OF_THE_CLASSES, *before, given)
    if not is_wrong:
        return KEPT, (*before, given)
    if correct and suggestion is not None:
        return MOVED, (*before, suggestion)
    return WRONG, (WRONG, *before, given, suggestion or NO_SUGGESTION)


def _places(
    block: Block, folders: tuple[str, ...], *, correct: bool, with_splits: bool
) -> list[tuple[str, tuple[str, ...]]]:
    columns = (block.verdicts[name].to_pylist() for name in ("label", "wrong", "none_of_the_classes"))
    rows = zip(
        *columns, suggested(block).tolist(), block.is_unreadable.tolist(), block.own["split"].to_pylist(), strict=True
    )
    return [
        place_of(
            folders[label], None if suggestion < 0 else folders[suggestion], is_wrong=is_wrong, is_none=is_none,
            is_unreadable=is_unreadable, split=split if with_splits else None, correct=correct,
        )
        for label, is_wrong, is_none, suggestion, is_unreadable, split in rows
    ]  # fmt: skip


def _put(
    folder: Path, block: Block, images: list[ImageLocation], places: list[tuple[str, tuple[str, ...]]], kinds: Counter[str],
    ways: Counter[str],
) -> None:  # fmt: skip
    made: set[Path] = set()
    uids, there = block.own["uid"].to_pylist(), is_there(images)
    rows = zip(uids, images, there, block.is_unreadable.tolist(), places, strict=True)
    for uid, image, is_present, was_unreadable, (kind, parts) in rows:
        into = folder.joinpath(*parts)
        if into not in made:
            into.mkdir(parents=True, exist_ok=True)
            made.add(into)
        put = put_image(image, uid, into, was_unreadable=was_unreadable) if is_present else None
        kinds[GONE if put is None else kind] += 1
        if put is not None:
            ways[put[0]] += 1


def _lines(kinds: Counter[str], ways: Counter[str]) -> tuple[tuple[str, str], ...]:
    said = {
        KEPT: "images that keep their label", MOVED: "moved to the class suggested", WRONG: f"wrong, in {WRONG}",
        NONE_OF_THE_CLASSES: f"none of the classes, in {NONE_OF_THE_CLASSES}", UNREADABLE: f"unreadable, in {UNREADABLE}",
        GONE: "unreadable, and not there: left out",
    }  # fmt: skip
    counted = tuple((text, f"{kinds[kind]:,}") for kind, text in said.items() if kinds[kind] or kind == KEPT)
    return (*counted, ("made of", ", ".join(f"{n:,} {how}" for how, n in ways.most_common())))


def _notes(
    judged: JudgedRun, folders: tuple[str, ...], kinds: Counter[str], ways: Counter[str], *, has_splits: bool
) -> tuple[str, ...]:
    notes = []
    without = judged.catalog.n - judged.n
    if without:
        notes.append(f"{without:,} images without a label are left out")
    changed = [(name, folder) for name, folder in zip(judged.names, folders, strict=True) if name != folder]
    if changed:
        some = ", ".join(f"{name!r} is {folder!r}" for name, folder in changed[:3]) + (
            " ..." if len(changed) > 3 else ""
        )
        notes.append(f"{len(changed):,} class names cannot name a folder and were changed: {some}")
    if ways["links"]:
        notes.append("links lead to another disk by its full path: they break where that disk has another place")
    if ways["hard links"]:
        notes.append("this disk has no symbolic links: a hard link is the image itself, do not edit it in place")
    if ways["copies"]:
        notes.append("links are not possible here: the images were copied")
    if not has_splits and any(kinds[kind] for kind in (WRONG, NONE_OF_THE_CLASSES, UNREADABLE)):
        notes.append("move the folders whose names start with _ away before a tool reads every folder as a class")
    return tuple(notes)
