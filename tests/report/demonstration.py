"""A page made of real images and made-up figures, to be looked at: python tests/report/demonstration.py FOLDER

Writes `many.html` (1,000 classes, image files in FOLDER/images), `few.html` (3 classes, members of a tar, hostile texts) and `bare.html`
(one class, nothing to say).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from reweigh.catalog.tables import ImageLocation
from reweigh.images.decoding import decode_pixels
from reweigh.images.reading import read_bytes
from reweigh.images.tar_members import read_members
from reweigh.report.page import render
from reweigh.report.records import Card, ClassImages, ReportData, Shown

TAR = Path(__file__).resolve().parents[3] / "shared/data/tiny_imagenet_40/tiny_imagenet_40.tar"
HOSTILE = (
    "<script>alert(1)</script>",
    "quotes \" ' & <img src=x onerror=y>",
    "\u202egpj.exe \u05e9\u05dc\u05d5\u05dd \U0001f642",
    "donaudampfschifffahrt" * 12,
)


def places(tar: Path) -> list[ImageLocation]:
    """The images of a tar as byte ranges."""
    return [ImageLocation(tar, m.offset, m.length) for m in read_members(tar) if m.name.endswith(".JPEG")]


def as_photographs(locations: list[ImageLocation], folder: Path) -> list[ImageLocation]:
    """The same images as files of 500 x 375 pixels with a camera's noise: as costly to keep as photographs of that size."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, location in enumerate(locations):
        small = Image.fromarray(decode_pixels(read_bytes(location), max_pixels=10**8))
        large = np.asarray(small.resize((500, 375), Image.Resampling.BICUBIC), np.int16)
        noisy = np.clip(large + generator.integers(-25, 26, large.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{number:04}.jpg", quality=90)
        files.append(ImageLocation(folder / f"{number:04}.jpg"))
    return files


def made_up(locations: list[ImageLocation], *, k: int, texts: tuple[str, ...]) -> ReportData:
    """A record of k classes whose figures are random and whose texts are given."""
    generator = np.random.default_rng(0)
    judged = (2_000 / np.arange(1, k + 1) ** 0.6).astype(np.int64) + 3
    agreed = (judged * generator.beta(4, 2, k)).astype(np.int64)
    names = tuple(texts[c % len(texts)] if k < 10 else f"class {c} with a name of some length" for c in range(k))
    confusion = np.diag(agreed)
    confusion[np.arange(k), (np.arange(k) + 1) % k] += judged - agreed
    images = tuple(
        ClassImages(
            label=int(c),
            doubted=tuple(_shown(locations[(6 * place + i) % len(locations)], names, int(c), int(c + 1) % k, texts) for i in range(3)),
            trusted=tuple(_shown(locations[(6 * place + 3 + i) % len(locations)], names, int(c), int(c), texts) for i in range(3)),
        )
        for place, c in enumerate(np.argsort(agreed / judged))
    )  # fmt: skip
    return ReportData(
        title="made-up photos", headline=f"Of {judged.sum():,} labels, {100 * agreed.sum() / judged.sum():.1f} % agree.",
        cards=(Card(value=f"{k:,}", name="classes"), Card(value="68.1 %", name="of labels agree", detail="95 %: 66.9-69.3")),
        header=("", "images", "top-1", "95 %"), results=(("training images, held out: agreement", f"{judged.sum():,}", "68.1", "66.9-69.3"),),
        class_names=names, class_sizes=judged + 10, judged=judged, agreed=agreed, confusion=confusion if k <= 200 else None,
        confusions=tuple((c, (c + 1) % k, int(judged[c] - agreed[c])) for c in range(min(k, 200))) if k > 1 else (), images=images,
        data_facts=(("images", "10"), ("text beside images", texts[0])), run_facts=(("seed", "0"),), command="reweigh run photos",
        warnings=(texts[-1],),
    )  # fmt: skip


def _shown(place: ImageLocation, names: tuple[str, ...], label: int, predicted: int, texts: tuple[str, ...]) -> Shown:
    own = 0.004 if predicted != label else 0.97
    return Shown(
        uid=f"train/n0{label}/{place.path.stem}_{place.offset or 0}.jpg", location=place, label=names[label], predicted=names[predicted],
        label_probability=own, predicted_probability=0.97, text=texts[(label + predicted) % len(texts)], origin="google, rank 3",
        checked=names[predicted] if label % 2 else "",
    )  # fmt: skip


def bare() -> ReportData:
    """One class, no predictions, no images, no text."""
    none = np.zeros(1, np.int64)
    return ReportData(
        title="bare", headline="No image has a label, so nothing could be compared.", cards=(), header=(), results=(), class_names=("cat",),
        class_sizes=none, judged=none, agreed=none, confusion=None, confusions=(), images=(), data_facts=(), run_facts=(), command="",
    )  # fmt: skip


def main(folder: Path) -> None:
    """Write the three pages."""
    folder.mkdir(parents=True, exist_ok=True)
    members = places(TAR)[::20][:300]
    title = ("a title of a photo page as people write them, with a good many words; tag, tag, tag",)
    pages = {
        "many": made_up(as_photographs(members, folder / "images"), k=1_000, texts=title),
        "few": made_up([*members, ImageLocation(folder / "gone.jpg")][-8:], k=3, texts=HOSTILE),
        "bare": bare(),
    }
    for name, data in pages.items():
        (folder / f"{name}.html").write_text(render(data), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
