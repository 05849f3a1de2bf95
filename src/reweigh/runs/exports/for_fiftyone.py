"""A data set that FiftyOne imports: metadata.json and samples.json, images by their path, those in tars written beside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from reweigh.catalog.tables import ImageLocation
from reweigh.progress import Progress, silent
from reweigh.runs.exports.exported import Exported
from reweigh.runs.exports.image_files import is_there, put_image
from reweigh.runs.exports.judged_run import Block, JudgedRun, blocks, number_or_none, suggested
from reweigh.runs.exports.present_images import PLACE, locations, look_at_images
from reweigh.whole_files import whole_folder, write_json

SAMPLES, METADATA, DATA = "samples.json", "metadata.json", "data"
IMAGES_A_FOLDER = 1000
LABEL = "fiftyone.core.fields.EmbeddedDocumentField(fiftyone.core.labels.Classification)"
FIELDS = {
    "filepath": "fiftyone.core.fields.StringField",
    "tags": "fiftyone.core.fields.ListField(fiftyone.core.fields.StringField)",
    "ground_truth": LABEL,
    "predictions": LABEL,
    "also_plausible": LABEL,
    "wrong": "fiftyone.core.fields.BooleanField",
    "none_of_the_classes": "fiftyone.core.fields.BooleanField",
    "probability_right": "fiftyone.core.fields.FloatField",
    "review_order": "fiftyone.core.fields.IntField",
    "reason": "fiftyone.core.fields.StringField",
    "uid": "fiftyone.core.fields.StringField",
}
"""Named in full, so that a field is there even where no image has a value in it."""


def export_fiftyone(judged: JudgedRun, output: Path, *, progress: Progress = silent) -> Exported:
    """Write a folder for `fiftyone.Dataset.from_dir(..., dataset_type=fiftyone.types.FiftyOneDataset)`.

    `ground_truth` is the label given, `predictions` the one suggested, tags are the split, `wrong` and `none_of_the_classes`.
    The form without a version number is written: the importer takes it in every version, and migrates nothing.
    Raises ReweighError for images that are not there any more.
    """
    look_at_images(judged, progress=progress)
    n, n_written = 0, 0
    with whole_folder(output) as partial:
        write_json(partial / METADATA, _metadata(judged))
        with (partial / SAMPLES).open("w", encoding="ascii") as file:
            file.write('{"samples": [')
            for sample, is_written in _samples(judged, partial, progress):
                file.write((",\n" if n else "\n") + json.dumps(sample, allow_nan=False))
                n, n_written = n + 1, n_written + is_written
            file.write("\n]}\n")
    return Exported(
        output=output,
        lines=(("images", f"{n:,}, {n_written:,} of them written out of tars, the others by their path"),),
        notes=(f"{judged.n - n:,} unreadable images that are not there are left out",) if n < judged.n else (),
        open_with=(
            f'dataset = fiftyone.Dataset.from_dir("{output}", dataset_type=fiftyone.types.FiftyOneDataset)',
            'fiftyone.launch_app(dataset.sort_by("review_order"))',
        ),
    )  # fmt: skip


def _metadata(judged: JudgedRun) -> dict[str, Any]:
    return {
        "name": judged.run.resolve().name,
        "media_type": "image",
        "sample_fields": FIELDS,
        "info": {
            "description": f"Verdicts on the labels of {judged.data}",
            "default_classes": list(judged.names),
        },
    }


def _samples(judged: JudgedRun, folder: Path, progress: Progress) -> Iterator[tuple[dict[str, Any], bool]]:
    """(sample, whether its image was written into the folder)."""
    n_written = 0
    for block in blocks(judged, PLACE, stage="fiftyone", progress=progress):
        images, unreadable = locations(judged, block), block.is_unreadable.tolist()
        samples = zip(_values(block, judged.names), images, is_there(images), unreadable, strict=True)
        for sample, image, is_present, was_unreadable in samples:
            path: str | None = str(image.path) if is_present else None
            if is_present and image.offset is not None:
                path = _written(image, sample["uid"], folder, n_written, was_unreadable=was_unreadable)
                n_written += path is not None
            if path is not None:
                yield {**sample, "filepath": path}, image.offset is not None


def _written(image: ImageLocation, uid: str, folder: Path, number: int, *, was_unreadable: bool) -> str | None:
    """Write the image out of its tar; its path below the folder, a thousand images a folder. None: unreadable as before."""
    inside = Path(DATA) / f"{number // IMAGES_A_FOLDER:06d}"
    (folder / inside).mkdir(parents=True, exist_ok=True)
    put = put_image(image, uid, folder / inside, was_unreadable=was_unreadable)
    return None if put is None else (inside / put[1]).as_posix()


def _values(block: Block, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    table = block.verdicts
    labels, others, second = (np.asarray(block.own["label"]), suggested(block), number_or_none(table["also_plausible"]))
    columns = (
        "uid",
        "wrong",
        "none_of_the_classes",
        "probability_right",
        "probability_suggested",
        "review_order",
        "reason",
    )
    rows = zip(*(table[name].to_pylist() for name in columns), block.own["split"].to_pylist(), strict=True)
    for i, (uid, wrong, is_none, right, likely, order, reason, split) in enumerate(rows):
        verdicts = (("wrong", wrong), ("none_of_the_classes", is_none))
        yield {
            "filepath": "", "tags": [split, *(name for name, holds in verdicts if holds)],
            "ground_truth": _label(names, int(labels[i])), "predictions": _label(names, int(others[i]), likely),
            "also_plausible": _label(names, int(second[i])), "wrong": wrong, "none_of_the_classes": is_none, "probability_right": right,
            "review_order": order, "reason": reason, "uid": uid,
        }  # fmt: skip


def _label(names: tuple[str, ...], label: int, confidence: float | None = None) -> dict[str, Any] | None:
    if label < 0:
        return None
    found: dict[str, Any] = {"_cls": "Classification", "label": names[label]}
    return found if confidence is None else {**found, "confidence": confidence}
