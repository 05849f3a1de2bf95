"""A WebVision of four classes and some twenty images, with what is odd in the real one (LAYOUTS: 1 and 2)."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

SYNSETS = "n01440764 tench, Tinca tinca\nn02012849 crane\nn03126707 crane\nn15075141 toilet tissue, toilet paper"  # no last newline
MAP = "1 1\n2 1\n3 2\n4 3\n7 4\n6 1\n"  # query 5 is missing, the last lines are out of order
QUERIES = {
    "google": "1 tench\n2 tinca tinca\n3 crane bird\n4 crane\n7 toilet paper\n6 tench fish\n",
    "flickr": "1 tench\n3 crane\n",
}
GOOGLE = [  # path, label, place in the JSON file
    ("google/q0001/a1B2c3D4e5F6gM.jpg", 0, 1), ("google/q0001/-Zk9_xYw8Vu7TM.jpg", 0, 3), ("google/q0002/a1B2c3D4e5F6gM.jpg", 0, 1),
    ("google/q0003/a1B2c3D4e5F6gM.jpg", 1, 2), ("google/q0004/_h3Jk5Lm7Np9QM.jpg", 2, 1), ("google/q0007/pngInsideXXXXM.jpg", 3, 1),
    ("google/q0007/truncatedXXXXM.jpg", 3, 2), ("google/q0007/zeroBytesXXXXM.jpg", 3, 3), ("google/q0007/notThereXXXXXM.jpg", 3, 4),
    ("google/q0006/noJsonXXXXXXXM.jpg", 0, 1),
]  # fmt: skip
FLICKR = [("flickr/q0001/4712196700.jpg", 0, 1), ("flickr/q0001/23456.jpg", 0, 2), ("flickr/q0003/99887766.jpg", 1, 1)]
JSON: dict[str, list[dict[str, Any]]] = {
    "google/q0001.json": [
        {"id": "a1B2c3D4e5F6gM", "rank": "1", "title": "Tench – a fish", "description": "", "url": "http://x/y.jpg", "site": "x", "page_url": "http://x/p"},
        {"id": "lostB2c3D4e5FM", "rank": "2", "title": "never downloaded"},
        {"id": "-Zk9_xYw8Vu7TM", "rank": 3, "description": "no\ntitle  key"},
    ],
    "google/q0002.json": [{"id": "a1B2c3D4e5F6gM", "rank": "4", "title": "again"}],
    "google/q0003.json": [{"id": "a1B2c3D4e5F6gM", "rank": "9", "title": "鶴"}, {"id": "other", "rank": "10"}],
    "google/q0004.json": [{"id": "_h3Jk5Lm7Np9QM", "rank": "1"}],
    "google/q0007.json": [{"id": "pngInsideXXXXM", "rank": "x", "title": None}, {"id": "truncatedXXXXM"}, {"id": "zeroBytesXXXXM"}],
    "flickr/q0001.json": [
        {"id": "4712196700", "title": "Big tench", "description": "caught\nby me", "tags": ["tench", "fishing", ""]},
        {"id": "23456", "title": "", "tags": []},
    ],
    "flickr/q0003.json": [{"id": "99887766", "description": "鱼 &amp; chips", "tags": "grey crane"}],
}  # fmt: skip


def jpeg(number: int, *, mode: str = "RGB", form: str = "JPEG") -> bytes:
    """The bytes of a small image, different for each number."""
    data = io.BytesIO()
    color = {"RGB": (number * 7 % 256, number * 31 % 256, 40), "L": number % 256, "CMYK": (number, 9, 9, 9)}[mode]
    Image.new(mode, (16, 12), color).save(data, form)  # type: ignore[arg-type]
    return data.getvalue()


def write(path: Path, data: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def make_webvision(root: Path) -> Path:
    """The 1.0 form at `root`."""
    info = root / "info"
    write(info / "synsets.txt", SYNSETS)
    write(info / "queries_synsets_map.txt", MAP)
    for source, rows in (("google", GOOGLE), ("flickr", FLICKR)):
        write(info / f"queries_{source}.txt", QUERIES[source])
        end = "\r\n" if source == "flickr" else "\n"
        write(info / f"train_filelist_{source}.txt", "".join(f"{path} {label}{end}" for path, label, _ in rows) + end)
        meta = "".join(f"{path.rpartition('/')[0]}.json {place}\n" for path, _, place in rows)
        write(info / f"train_meta_list_{source}.txt", meta.removesuffix("\n"))
        for number, (path, _, _) in enumerate(rows):
            write(root / path, jpeg(number + 40 * (source == "flickr"), mode=("RGB", "L", "CMYK")[number % 3]))
    same = (root / "google/q0001/a1B2c3D4e5F6gM.jpg").read_bytes()
    for query in ("q0002", "q0003"):
        write(root / f"google/{query}/a1B2c3D4e5F6gM.jpg", same)
    write(root / "google/q0007/pngInsideXXXXM.jpg", jpeg(90, form="PNG"))
    write(root / "google/q0007/truncatedXXXXM.jpg", jpeg(91)[:200])
    write(root / "google/q0007/zeroBytesXXXXM.jpg", b"")
    (root / "google/q0007/notThereXXXXXM.jpg").unlink()
    write(root / "google/q0007/notListedXXXXM.jpg", jpeg(92))
    for name, entries in JSON.items():
        write(root / "meta" / name, json.dumps(entries, ensure_ascii=name.startswith("google")))
    write(info / "val_filelist.txt", "val000001.jpg 0\nval000002.jpg 1\nval000003.jpg 3\n")
    write(info / "test_filelist.txt", "test000001.jpg\ntest000002.jpg\n")
    for number in (1, 2, 3):
        write(root / f"val_images_256/val{number:06d}.jpg", jpeg(100 + number))
        write(root / f"test_images_256/test{number:06d}.jpg", jpeg(110 + number))
    return root


def make_webvision_2(root: Path) -> Path:
    """The 2.0 form: five digits, other folders, lists of val beside info, tags as one text, a name whose ending was changed."""
    info = root / "info"
    write(info / "synsets.txt", f"{SYNSETS}\nn15091304 rag paper\nn15102894 ground\n")  # most of them without an image
    write(info / "queries.txt", "1 tench\n12597 crane\n")
    write(info / "queries_synsets_map.txt", "1 1\n12597 2\n")
    write(info / "train_filelist_google.txt", "google/q00001/abc.png 0\ngoogle/q00001/def.jpg 0\n")
    write(info / "train_filelist_flickr.txt", "flickr/q12597/17.jpg 1\n")
    write(info / "train_meta_list_google.txt", "google/q00001.json 1\ngoogle/q00001.json 2\n")
    write(info / "train_meta_list_flickr.txt", "flickr/q12597.json 1\n")
    write(root / "google_images_resized/q00001/abc.jpg", jpeg(1))
    write(root / "google_images_resized/q00001/def.jpg", jpeg(2))
    write(root / "flickr_images_resized/q12597/17.jpg", jpeg(3))
    write(root / "meta/google/q00001.json", json.dumps([{"id": "abc", "rank": 5}, {"id": "def", "rank": 6}]))
    write(root / "meta/flickr/q12597.json", json.dumps([{"id": "17", "tags": "grey crane, bird", "title": "x"}]))
    write(root / "val_filelist.txt", "val000001.jpg 0\nval000002.jpg 0\nval000003.jpg 1\n")
    write(root / "test_filelist.txt", "test000001.jpg\ntest000002.jpg\n")
    for number in (1, 2, 3):
        write(root / f"val_images_resized/val{number:06d}.jpg", jpeg(100 + number))
    for number in (1, 2):
        write(root / f"test_images_resized/test{number:06d}.jpg", jpeg(110 + number))
    return root
