"""A page made of real images and made-up figures, to be looked at: python tests/report/demonstration.py FOLDER

Writes `many.html` (1,000 classes with verdicts and weights, image files in FOLDER/images), `few.html` (3 classes, members of a tar, hostile texts),
`unweighed.html` (a run without verdicts and weights) and `bare.html` (one class, nothing to say).
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from reweigh.catalog.tables import ImageLocation
from reweigh.images.decoding import decode_pixels
from reweigh.images.reading import read_bytes
from reweigh.images.tar_members import read_members
from reweigh.report.page import render
from reweigh.report.records import Card, ClassImages, ReportData, Shown
from reweigh.report.verdict_records import ConfusedPair, JudgedImage, Noise, NoiseTable, VerdictsData
from reweigh.report.weight_records import (
    Challenge,
    Comparison,
    Distribution,
    Explanation,
    FactorBar,
    Histogram,
    Neighbour,
    QualityTable,
    Rate,
    RateTable,
    WeightsData,
)

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


FACTORS = ("held_out", "neighbours", "rank", "own_text")


def with_weights(data: ReportData, locations: list[ImageLocation], texts: tuple[str, ...]) -> ReportData:
    """The same page of a run with weights: every new part filled, with the given texts wherever data could have a word."""
    generator = np.random.default_rng(1)
    spread = Histogram(counts=generator.integers(0, 900, 24), low=0.0, high=1.0, mean=0.61)
    rows = tuple(
        Rate(
            name=name, n=int(n), mass=0.6 * int(n), mean_credibility=0.6, image_share=0.01, weight_share=0.02, effective_share=0.9
        )
        for name, n in zip(data.class_names, data.class_sizes, strict=True)
    )  # fmt: skip
    return replace(
        data,
        images=tuple(_explained(images, data, locations, place) for place, images in enumerate(data.images)),
        comparisons=(
            Comparison(
                against="accuracy, truth", measure="top-1", n=613, before=0.81, before_interval=(0.78, 0.84), after=0.93,
                after_interval=(0.91, 0.95), gain=0.12, gain_interval=(0.09, 0.15),
            ),
            Comparison(
                against="agreement", measure="top-1", n=613, before=0.5, before_interval=None, after=0.5, after_interval=None,
                gain=0.0, gain_interval=(-0.01, 0.01),
            ),
        ),
        challenges=(
            Challenge(name="Class imbalance", figure="9 : 1", meaning=texts[0], remedy=texts[-1], is_on=True),
            Challenge(name="Label ambiguity", figure="12 %", meaning="Rivals.", remedy="not built", is_on=False),
        ),
        weights=WeightsData(
            combined=texts[0], used=(*FACTORS, texts[-1]), not_used=((texts[0], texts[-1]),), n=10_000, n_weighed=9_990,
            effective_share=0.05, smallest_class=texts[0], smallest_class_share=0.4,
            distributions=(
                *(_spread(name, spread, texts[-1]) for name in (*FACTORS, texts[0])),
                Distribution(name="silent", kind="credibility", group="text", histogram=None, without_opinion=1.0),
            ),
            classes=RateTable(of="class", rows=rows, n_all=len(rows) + 1),
            others=(RateTable(of="source", rows=rows[:1], n_all=1),),
            quality=(
                QualityTable(title=texts[0], header=("", "images", texts[-1]), rows=((texts[0], "10", "0.9 0.8–1.0"), ("x", "0", "–"))),
            ),
            warnings=(texts[-1],),
        ),
    )  # fmt: skip


def with_verdicts(
    data: ReportData, locations: list[ImageLocation], texts: tuple[str, ...], *, n_images: int = 200
) -> ReportData:
    """The same page of a run with verdicts on its labels, with the given texts wherever data could have a word."""
    names = data.class_names
    rows = tuple(
        Noise(
            name=name, n=int(n), n_wrong=int(n) // 9, noise=None if n == 0 else 0.9 / (2 + c), low=0.02 if n > 20 else None,
            high=0.5 if n > 20 else None, agreement=0.8, mostly=names[(c + 1) % len(names)],
        )
        for c, (name, n) in enumerate(zip(names, data.class_sizes, strict=True))
    )  # fmt: skip
    pairs = tuple(
        ConfusedPair(
            given=name,
            truth=texts[-1],
            n=60.0 - c,
            share=0.2,
            n_back=40.0,
            share_back=0.16,
            advice="" if c else "merge?",
        )
        for c, name in enumerate(names[:60])
    )
    return replace(
        data,
        verdicts=VerdictsData(
            n=10_000, n_wrong=1_234, n_none_of_the_classes=56, noise_rate=0.13, noise_rate_range=(0.11, 0.16), is_interval=False,
            is_trusted=True, agreement=0.8, information=0.6, notes=(texts[-1],), classes=NoiseTable(of="class", rows=rows, n_all=len(rows) + 1),
            others=(NoiseTable(of="source", rows=tuple(replace(row, low=None, high=None, mostly="") for row in rows[:2]), n_all=2),),
            pairs=pairs, rule="Worth a “merge?” by a rule.",
            images=tuple(_judged(locations[i % len(locations)], names, i, texts) for i in range(n_images)), n_images=n_images + 9_000,
        ),
    )  # fmt: skip


def _judged(place: ImageLocation, names: tuple[str, ...], i: int, texts: tuple[str, ...]) -> JudgedImage:
    """In turn flagged, of none of the classes, with a second class, and not judged."""
    turn, label, other, text = i % 4, names[i % len(names)], names[(i + 1) % len(names)], texts[i % len(texts)]
    return JudgedImage(
        uid=f"train/{text if i < 4 else 'n0'}/{i}.jpg", location=place, order=i + 1, label=label, probability_right=None if turn == 3 else 0.01 * turn,
        wrong=turn == 0, suggested=other if turn == 0 else "", probability_suggested=0.9 if turn == 0 else None,
        also_plausible=other if turn == 2 else "", none_of_the_classes=turn == 1,
        reason=f"looks like {text} (0.93); its label, predicted with 0.02; 1 of 15 similar images has its label", split="val" if i % 5 else "train",
        text=text, origin=f"google, “{text}”, rank 3", checked=other if turn == 0 else "",
    )  # fmt: skip


def _spread(name: str, histogram: Histogram, said: str) -> Distribution:
    return Distribution(
        name=name, kind="credibility", group="visual", histogram=histogram, without_opinion=0.1, said=said
    )


def _explained(images: ClassImages, data: ReportData, locations: list[ImageLocation], place: int) -> ClassImages:
    def one(shown: Shown, number: int) -> Shown:
        bars = tuple(
            FactorBar(name=name, kind="credibility", value=None if silent else 0.21, adds=None if silent else -1.1)
            for name, silent in zip(FACTORS, (False, False, False, number > 0), strict=True)
        )
        near = tuple(
            Neighbour(
                location=locations[(4 * (place + number) + i) % len(locations)],
                label=shown.predicted,
                has_same_label=i < 2,
            )
            for i in range(4)
        )
        balance = FactorBar(name="class_balance", kind="balance", value=1.3)
        return replace(
            shown,
            explanation=Explanation(
                combiner="pooled", factors=bars, intercept=0.4, credibility=0.02, sharpness=1.0, balances=(balance,), weight=0.03,
                neighbours=near,
            ),
        )  # fmt: skip

    return replace(
        images,
        doubted=tuple(one(shown, i) for i, shown in enumerate(images.doubted)),
        trusted=tuple(one(shown, 3 + i) for i, shown in enumerate(images.trusted)),
        mean_credibility=0.5,
    )


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
    photos, some = as_photographs(members, folder / "images"), [*members, ImageLocation(folder / "gone.jpg")][-8:]
    pages = {
        "many": with_verdicts(with_weights(made_up(photos, k=1_000, texts=title), photos, title), photos, title),
        "few": with_verdicts(
            with_weights(made_up(some, k=3, texts=HOSTILE), some, HOSTILE), some, HOSTILE, n_images=30
        ),
        "unweighed": made_up(some, k=3, texts=title),
        "bare": bare(),
    }
    for name, data in pages.items():
        (folder / f"{name}.html").write_text(render(data), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
