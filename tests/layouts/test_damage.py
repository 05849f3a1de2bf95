"""A set with damaged bytes is a catalog or one line, and nothing of it is left behind; never a traceback, never a crash."""

from __future__ import annotations

import gzip
import io
import json
import random
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.layouts.test_recognition import MAKERS
from tests.layouts.webvision_miniature import jpeg

from reweigh.errors import ReweighError
from reweigh.layouts.table_of_layouts import index

TIMES = 20
IMAGES = (".jpg", ".jpeg", ".png")
INSERTED = (
    b"\0", b"\xff", b",", b"\n", b"\r", b"\t", b'"', b"{", b"[", b"../", b"9" * 30, b"1e999", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"a" * 300,
)  # fmt: skip
NUMBERS = (b"\xff\xff\xff\x7f", bytes(4), b"\xff" * 4, b"\0\0\0\x80", b"\1\0\0\0")


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The bytes, cut, emptied, doubled in part, or with others in some place."""
    if not data or chance.random() < 0.05:
        return b"" if data else chance.choice(INSERTED)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(data) or 1)
        data = chance.choice((
            data[:at], data[:at] + data[at + chance.randrange(1, 50) :], data[:at] + chance.choice(INSERTED) + data[at:],
            data[:at] + chance.randbytes(4) + data[at + 4 :], data[:at] + chance.choice(NUMBERS) + data[at + 4 :],
            data[: at + 60] + data[at:],
        ))  # fmt: skip
    return data


def as_table(ending: str) -> Callable[[Path], Path]:
    """Writes a table of this form with its images in a tar, a list of classes and a hierarchy beside it."""

    def make(root: Path) -> Path:
        root.mkdir()
        rows = [
            {"file": f"{i}.jpg", "label": ("cat", "dog")[i % 2], "rank": i + 1, "tags": f"a|{i}", "title": "caf\u00e9"}
            for i in range(6)
        ]
        with tarfile.open(root / "images.tar", "w") as tar:
            for row in rows:
                data = jpeg(int(row["rank"]))
                info = tarfile.TarInfo(str(row["file"]))
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        (root / "classes.csv").write_text("name,synset\ncat,n02121620\ndog,\n")
        (root / "tree.csv").write_text("child,parent\ncat,animal\ndog,animal\n")
        path = root / f"labels{ending}"
        if ending == ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        elif ending == ".jsonl":
            path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        else:
            lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
            path.write_bytes(gzip.compress("\n".join(lines).encode()))
        return path

    return make


TABLES = {f"table, {ending}": ("table", as_table(ending)) for ending in (".csv.gz", ".jsonl", ".parquet")}
OPTIONS = {"table": {"tar": ["images.tar"], "hierarchy": "tree.csv"}}


@pytest.mark.parametrize("case", MAKERS | TABLES)
def test_a_damaged_set_is_a_catalog_or_one_line(case: str, tmp_path: Path) -> None:
    layout, make = (MAKERS | TABLES)[case]
    chance = random.Random(case)
    (tmp_path / "whole").mkdir()
    whole = make(tmp_path / "whole" / "set").relative_to(tmp_path / "whole")
    files = [path for path in sorted((tmp_path / "whole").rglob("*")) if path.is_file()]
    lists = [path for path in files if path.suffix.lower() not in IMAGES]
    for time in range(TIMES):
        hurt = chance.choice(lists if lists and chance.random() < 0.9 else files).relative_to(tmp_path / "whole")
        shutil.copytree(tmp_path / "whole", tmp_path / "tried")
        (tmp_path / "tried" / hurt).write_bytes(damaged((tmp_path / "whole" / hurt).read_bytes(), chance))
        try:
            named = layout if time % 2 or case in TABLES else None
            index(tmp_path / "tried" / whole, tmp_path / "c", layout=named, options=OPTIONS.get(layout))
            shutil.rmtree(tmp_path / "c")
        except ReweighError as error:
            said = str(error)
            assert "\n" not in said and str(Path(tempfile.gettempdir(), "tmp")) not in said, said
        assert sorted(path.name for path in tmp_path.iterdir()) == ["tried", "whole"], hurt
        shutil.rmtree(tmp_path / "tried")
