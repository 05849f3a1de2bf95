"""A table of any form and any column names becomes the same catalog, or one line says why not."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from reweigh.catalog.schema import IMAGE_SCHEMA
from reweigh.catalog.tables import Catalog, column_names, read_classes, read_columns, read_uids
from reweigh.catalog.truth import read_truth
from reweigh.errors import ReweighError
from reweigh.layouts.table_of_layouts import index


def table(folder: Path, text: str, *, name: str = "labels.csv", images: bool = True) -> Path:
    """A CSV, and beside it the files of its first column, whose bytes are their names."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    for line in text.splitlines()[1:] if images else []:
        file = folder / line.split(",")[0]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(str(file).encode())
    return folder / name


def tar(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w") as file:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            file.addfile(info, io.BytesIO(name.encode()))
    return path


def column(catalog: Catalog, name: str) -> list[Any]:
    return read_columns(catalog, [name])[name].to_pylist()


ROWS: list[dict[str, Any]] = [
    {"file": "a.jpg", "label": "cat", "split": "train", "source": "web", "query": "a cat", "rank": 3, "title": "A cat, here",
     "tags": ["red", "small"], "verified": True},
    {"file": "b.jpg", "label": "dog", "split": "val", "source": None, "query": None, "rank": None, "title": None,
     "tags": [], "verified": None},
    {"file": "c.jpg", "label": None, "split": None, "source": "web", "query": None, "rank": 1, "title": "two\nlines",
     "tags": ["ü"], "verified": False},
]  # fmt: skip


def write_rows(path: Path) -> Path:
    if path.name.removesuffix(".gz").endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(ROWS), path)
        return path
    if ".jsonl" in path.name:
        text = "".join(json.dumps(row) + "\n" for row in ROWS)
    else:
        flat = [
            {**row, "tags": " |".join(row["tags"]), "verified": {True: "yes", False: "0", None: ""}[row["verified"]]}
            for row in ROWS
        ]
        sink = io.BytesIO()
        options = pyarrow.csv.WriteOptions(delimiter="\t" if ".tsv" in path.name else ",")
        pyarrow.csv.write_csv(pa.Table.from_pylist(flat), sink, options)
        text = sink.getvalue().decode()
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_every_form_gives_the_same_catalog(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    forms = ("x.csv", "x.tsv", "x.jsonl", "x.parquet", "x.csv.gz", "x.jsonl.gz")
    catalogs = [index(write_rows(tmp_path / form), tmp_path / f"{form}.catalog") for form in forms]
    assert {c.fingerprint for c in catalogs} == {catalogs[0].fingerprint}
    found = read_columns(catalogs[0], [*ROWS[0], "uid"]).to_pylist()
    assert [row["tags"] for row in found] == [["red", "small"], None, ["ü"]]
    assert [row["label"] for row in found] == [0, 1, -1] and [row["split"] for row in found] == [
        "train",
        "val",
        "train",
    ]
    assert [row["verified"] for row in found] == [True, None, False] and found[2]["title"] == "two\nlines"
    assert read_classes(catalogs[0]).names == ("cat", "dog")


def test_indexing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    source = table(tmp_path / "t", "file,label\n" + "".join(f"{i}.jpg,{i % 7}\n" for i in range(200)))
    one, two = index(source, tmp_path / "one"), index(source, tmp_path / "two")
    assert [p.read_bytes() for p in sorted(one.path.iterdir())] == [p.read_bytes() for p in sorted(two.path.iterdir())]


def test_a_mapped_column_wins_over_one_of_the_same_name_which_is_kept(tmp_path: Path) -> None:
    source = table(tmp_path / "t", "file,label,checked,words\na.jpg,x,cat,hello\nb.jpg,y,dog,you\n")
    catalog = index(source, tmp_path / "c", options={"columns": {"label": "checked", "title": "words"}})
    assert column_names(catalog) == [*IMAGE_SCHEMA.names, "source_label"]
    assert column(catalog, "source_label") == ["x", "y"] and column(catalog, "title") == ["hello", "you"]
    assert read_classes(catalog).names == ("cat", "dog")


def test_where_the_checked_class_is_mapped_the_sources_own_verified_is_kept_apart(tmp_path: Path) -> None:
    text = "file,label,checked,verified\na.jpg,cat,cat,by Ann\nb.jpg,cat,dog,by Bob\nc.jpg,dog,,\nd.jpg,dog,-1,by Eve\n"
    catalog = index(table(tmp_path / "t", text), tmp_path / "c", options={"columns": {"verified_label": "checked"}})
    assert column(catalog, "verified_label") == [0, 1, None, -1]
    assert column(catalog, "verified") == [True, False, None, False]
    assert column(catalog, "source_verified") == ["by Ann", "by Bob", None, "by Eve"]


def test_a_column_mapped_away_is_kept_under_source_too(tmp_path: Path) -> None:
    text = "file,label,verified\na.jpg,cat,cat\nb.jpg,cat,dog\nc.jpg,dog,\n"
    catalog = index(table(tmp_path / "t", text), tmp_path / "c", options={"columns": {"verified_label": "verified"}})
    assert column(catalog, "verified_label") == [0, 1, None] and column(catalog, "verified") == [True, False, None]
    assert column(catalog, "source_verified") == ["cat", "dog", None]


def test_a_checked_class_may_be_a_name_a_number_minus_one_or_empty(tmp_path: Path) -> None:
    text = "file,label,verified_label\na.jpg,0,dog\nb.jpg,1,0\nc.jpg,1,-1\nd.jpg,1,\ne.jpg,-1,1\n"
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "classes.csv").write_text("name\ncat\ndog\n")
    catalog = index(table(tmp_path / "t", text), tmp_path / "c")
    assert column(catalog, "verified_label") == [1, 0, -1, None, 1]
    assert column(catalog, "verified") == [False, False, False, None, None], (
        "an image without a label has none to judge"
    )


def test_verified_follows_from_the_checked_class_and_else_from_the_source(tmp_path: Path) -> None:
    text = "file,label,verified_label,verified\na.jpg,0,1,true\nb.jpg,1,,true\nc.jpg,1,,\n"
    catalog = index(table(tmp_path / "t", text), tmp_path / "c")
    assert column(catalog, "verified") == [False, True, None]


def test_truth_is_kept_from_the_images_table(tmp_path: Path) -> None:
    source = table(tmp_path / "t", "file,label,clean\na.jpg,cat,dog\nb.jpg,dog,\n")
    catalog = index(source, tmp_path / "c", options={"columns": {"truth": "clean"}})
    assert column_names(catalog) == [*IMAGE_SCHEMA.names]
    truth = read_truth(catalog)
    assert truth is not None and truth.tolist() == [1, -2]


def test_classes_beside_the_table_name_labels_with_aliases(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    text = 'index,wnid,name,synonyms,group\n1,n02,crane,"crane, bird",bird\n0,n01,crane,"crane, lifter",machine\n2,n03,tench,,fish\n'
    (tmp_path / "t" / "classes.csv").write_text(text)
    catalog = index(table(tmp_path / "t", "file,label\na.jpg,1\nb.jpg,n01\nc.jpg,tench\n"), tmp_path / "c")
    classes = read_classes(catalog)
    assert column(catalog, "label") == [1, 0, 2]
    assert classes.names == ("crane", "crane", "tench") and classes.synsets == ("n01", "n02", "n03")
    assert classes.words == (("crane", "lifter"), ("crane", "bird"), ("tench",))
    assert [json.loads(e or "")["group"] for e in classes.extra] == ["machine", "bird", "fish"]
    with pytest.raises(
        ReweighError, match=r"label 'crane' of 'd.jpg' is no class; 2 classes have that name: use the class's number"
    ):
        index(table(tmp_path / "t", "file,label\nd.jpg,crane\n"), tmp_path / "d")


def test_images_are_members_of_tars_beside_the_table(tmp_path: Path) -> None:
    source = table(tmp_path / "t", "file,label\nx/1.jpg,0\nx/2.jpg,1\nx/3.jpg,1\n", images=False)
    tar(tmp_path / "t" / "one.tar", "x/1.jpg", "x/9.jpg")
    tar(tmp_path / "far.tar", "./x/2.jpg")
    catalog = index(source, tmp_path / "c", options={"tar": ["one.tar", str(tmp_path / "far.tar")]})
    found = read_columns(catalog, ["uid", "file", "offset", "length"]).to_pylist()
    assert [(row["uid"], row["file"]) for row in found] == [
        ("x/1.jpg", "one.tar"),
        ("x/2.jpg", str(tmp_path / "far.tar")),
    ]
    whole = (tmp_path / "t" / "one.tar").read_bytes()
    assert whole[found[0]["offset"] : found[0]["offset"] + found[0]["length"]] == b"x/1.jpg"
    assert catalog.counts["skipped"] == {"missing file": {"count": 1, "examples": ["x/3.jpg"]}}


def test_of_a_member_twice_in_one_tar_the_later_counts(tmp_path: Path) -> None:
    source = table(tmp_path / "t", "file,label\n1.jpg,0\n", images=False)
    tar(tmp_path / "t" / "x.tar", "1.jpg", "2.jpg", "1.jpg")
    assert column(index(source, tmp_path / "c", options={"tar": ["x.tar"]}), "offset") == [512 + 4 * 512]


def test_a_member_of_two_tars_is_an_error(tmp_path: Path) -> None:
    source = table(tmp_path / "t", "file,label\n1.jpg,0\n", images=False)
    for name in ("one.tar", "two.tar"):
        tar(tmp_path / "t" / name, "1.jpg")
    with pytest.raises(ReweighError, match=r"'1.jpg' is in .*one.tar and in .*two.tar; give only one of them"):
        index(source, tmp_path / "c", options={"tar": ["one.tar", "two.tar"]})


def test_paths_are_relative_to_the_table_with_either_separator(tmp_path: Path) -> None:
    (tmp_path / "t" / "x").mkdir(parents=True)
    outside = tmp_path / "far.jpg"
    for path in (tmp_path / "t" / "x" / "1.jpg", tmp_path / "t" / "2.jpg", tmp_path / "t" / "3.jpg", outside):
        path.write_bytes(path.name.encode())
    text = f"file,label\nx\\1.jpg,0\n./2.jpg,0\n{tmp_path}/t/3.jpg,0\n{outside},0\n"
    catalog = index(table(tmp_path / "t", text, images=False), tmp_path / "c")
    assert (
        sorted(read_uids(catalog))
        == sorted(column(catalog, "file"))
        == sorted(["x/1.jpg", "2.jpg", "3.jpg", str(outside)])
    )


@pytest.mark.parametrize("hashed", [True, False])
def test_missing_files_are_skipped_and_counted(tmp_path: Path, hashed: bool) -> None:
    source = table(tmp_path / "t", "file,label\na.jpg,0\nx/b.jpg,0\nc.jpg,1\n")
    (tmp_path / "t" / "c.jpg").unlink()
    catalog = index(source, tmp_path / "c", options={"hash": hashed})
    assert catalog.n == 2 and catalog.counts["skipped"] == {"missing file": {"count": 1, "examples": ["c.jpg"]}}


@pytest.mark.parametrize("hashed", [True, False])
def test_mostly_missing_files_are_an_error(tmp_path: Path, hashed: bool) -> None:
    source = table(tmp_path / "t", "file,label\na.jpg,0\nx/b.jpg,0\nx/c.jpg,1\n", images=False)
    with pytest.raises(
        ReweighError, match=r"3 of the 3 images of .*labels.csv are not there, e.g. a.jpg: looked below"
    ):
        index(source, tmp_path / "c", options={"hash": hashed})
    tar(tmp_path / "t" / "x.tar", "other.jpg")
    with pytest.raises(ReweighError, match=r"3 of the 3 images .*: looked in x.tar"):
        index(source, tmp_path / "c", options={"hash": hashed, "tar": ["x.tar"]})
    assert not (tmp_path / "c").exists()


def test_lines_that_are_no_utf8_are_read_as_latin_1_and_warned_of(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "a.jpg").write_bytes(b"a")
    (tmp_path / "t" / "b.jpg").write_bytes(b"b")
    (tmp_path / "t" / "x.csv").write_bytes("\ufefffile,label,title\r\na.jpg,0,né\r\n".encode() + b"b.jpg,0,n\xe9")
    catalog = index(tmp_path / "t" / "x.csv", tmp_path / "c")
    assert column(catalog, "title") == ["né", "né"]
    assert catalog.counts["warnings"] == ["1 lines of x.csv are not UTF-8 and were read as latin-1 (line 3)"]


def test_extra_columns_of_a_csv_stay_the_texts_that_they_are(tmp_path: Path) -> None:
    catalog = index(table(tmp_path / "t", "file,label,id,content\na.jpg,0,007,hello\n"), tmp_path / "c")
    assert column(catalog, "id") == ["007"] and column(catalog, "source_content") == ["hello"]


def test_split_words_in_use_are_understood(tmp_path: Path) -> None:
    text = "file,label,split\na.jpg,0,Training\nb.jpg,0,validation\nc.jpg,0,TEST\nd.jpg,0,\n"
    assert column(index(table(tmp_path / "t", text), tmp_path / "c"), "split") == ["train", "val", "test", "train"]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("image,label\na.jpg,0\n", {}, "has no column 'file'; it has: image, label. Say which one it is: --column file=THEIRS"),
        ("file,labels\na.jpg,0\n", {}, "has no column 'label'; it has: file, labels.* Did you mean 'labels'"),
        ("file,label\na.jpg,0\n", {"columns": {"title": "titel"}}, "has no column 'titel' for title; it has: file, label"),
        ("file,label\na.jpg,0\n", {"columns": {"titel": "label"}}, "no column of ours is named 'titel'. Did you mean 'title'"),
        ("file,label\na.jpg,0\na.jpg,1\n", {}, "uid 'a.jpg' stands twice"),
        ("file,label\na.jpg,-2\n", {}, "1 different labels run from -2 to -2; they must be 0..k-1"),
        ("file,label\na.jpg,0\nb.jpg,4000000\n", {}, "2 different labels run from 0 to 4000000; .* list the classes in a classes.csv"),
        ("file,label\na.jpg,\nb.jpg,-1\n", {}, "has no label at all: every row is empty or -1"),
        ("file,label,split\na.jpg,0,trian\n", {}, "split 'trian' of 'a.jpg' is none of train, val, test"),
        ("file,label,rank\na.jpg,0,first\n", {}, "rank 'first' of 'a.jpg' is no whole number"),
        ("file,label,rank\na.jpg,0,99999999999\n", {}, "rank 99999999999 of 'a.jpg' is over 2,147,483,647"),
        ("file,label,verified\na.jpg,0,cat\n", {}, "verified 'cat' of 'a.jpg' is neither true nor false; .*--column verified_label=verified"),
        ("file,label\na.jpg,0\n,1\n", {"hash": False}, r"row 2 \(the first below the names is row 1\) has no file"),
        ("file,label\na.jpg,0,7\n", {}, "cannot be read as csv: CSV parse error: Row #2: Expected 2 columns, got 3: a.jpg,0,7"),
        ("file,label,label\na.jpg,0,1\n", {}, "has two columns named 'label'"),
        ("file,label,checked,source_label\na.jpg,0,0,1\n", {"columns": {"label": "checked"}}, "would be kept as 'source_label', which it has too"),
        ("file,label\n", {}, "has no label at all"),
        ("", {}, "cannot be read as csv: Empty CSV file"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_said_in_one_line(
    tmp_path: Path, text: str, options: dict[str, Any], message: str
) -> None:
    source = tmp_path / "t" / "labels.csv"
    source.parent.mkdir()
    source.write_text(text)
    (tmp_path / "t" / "a.jpg").write_bytes(b"a")
    with pytest.raises(ReweighError, match=message) as caught:
        index(source, tmp_path / "c", options=options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "c").exists() and not (tmp_path / "c.partial").exists()


@pytest.mark.parametrize(
    ("classes", "label", "message"),
    [
        ("name\ncat\ndog\n", "2", "label '2' of 'a.jpg' is no class; labels are 0..1, and -1 is none"),
        ("name\ncat\ndog\n", "dgo", "label 'dgo' of 'a.jpg' is no class; there are 2 classes. Did you mean 'dog'"),
        ("index,name\n0,cat\n2,dog\n", "0", r"column 'index' must hold 0\.\.1, each once; found 0, 2"),
        ("title\ncat\n", "0", "has no column for the classes' names; looked for name, class, class_name; found title"),
        ("name\n", "0", "lists no class"),
        ("index,name\n0,cat\n1,\n", "0", "class 1 has no name"),
        ("index,name\n0,cat\n1\n", "0", "class 2 of the list has not one value for each of the columns"),
    ],
)
def test_what_is_wrong_with_the_classes_is_said_in_one_line(
    tmp_path: Path, classes: str, label: str, message: str
) -> None:
    source = table(tmp_path / "t", f"file,label\na.jpg,{label}\n")
    (source.parent / "classes.csv").write_text(classes)
    with pytest.raises(ReweighError, match=message):
        index(source, tmp_path / "c")


def test_a_class_that_no_row_has_is_warned_of(tmp_path: Path) -> None:
    source = table(tmp_path / "t", "file,label\na.jpg,0\nb.jpg,2\n")
    assert index(source, tmp_path / "c").counts["warnings"] == ["1 of 3 classes have no image: 1"]


def test_a_json_column_that_starts_late_or_looks_like_a_date_is_a_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reweigh.layouts import table_files

    monkeypatch.setattr(table_files, "BLOCK_BYTES", 64)
    rows = [{"file": f"{i}.jpg", "label": i % 2, "title": None} for i in range(5)]
    rows += [
        {"file": "5.jpg", "label": 0, "title": "2020-01-01", "score": 1},
        {"file": "6.jpg", "label": 1, "title": "x", "score": 0.5},
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    for row in rows:
        (tmp_path / row["file"]).write_bytes(row["file"].encode())
    catalog = index(tmp_path / "x.jsonl", tmp_path / "c")
    assert column(catalog, "title") == [None] * 5 + ["2020-01-01", "x"] and column(catalog, "score")[4:] == [
        None,
        1.0,
        0.5,
    ]


def test_a_broken_line_of_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"file": "a.jpg", "label": 0}\n{"file": \n')
    with pytest.raises(ReweighError, match=r"x.jsonl cannot be read as json: JSON parse error"):
        index(tmp_path / "x.jsonl", tmp_path / "c")


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"no parquet at all")
    with pytest.raises(ReweighError, match=r"x.parquet cannot be read as parquet"):
        index(tmp_path / "x.parquet", tmp_path / "c")
    with pytest.raises(ReweighError, match=r"is no table: looked for a file that ends in .csv"):
        index(tmp_path, tmp_path / "c", layout="table")


def test_ranks_below_1_are_not_known_and_those_below_0_are_counted(tmp_path: Path) -> None:
    source = table(tmp_path / "data", "file,label,rank\na.png,x,-3\nb.png,x,0\nc.png,y,1\nd.png,y,\ne.png,y,-1\n")
    catalog = index(source, tmp_path / "c")
    assert column(catalog, "rank") == [None, None, 1, None, None]
    assert "2 ranks are below 0 and were taken as not known (1 is the first)" in catalog.counts["warnings"]


def test_a_file_name_with_a_line_end_is_told_in_one_line(tmp_path: Path) -> None:
    source = table(tmp_path / "t", 'file,label\n"a\nb.jpg",0\nc.jpg,1\n', images=False)
    with pytest.raises(ReweighError) as error:
        index(source, tmp_path / "c")
    assert "\n" not in str(error.value)
    assert r"e.g. a\nb.jpg: looked below" in str(error.value)


def test_a_packed_table_is_named_as_the_user_knows_it(tmp_path: Path) -> None:
    source = table(tmp_path / "t", "file,label\n" + "a.jpg,0,7\n" * 3)
    whole = gzip.compress(source.read_bytes())
    packed = source.with_name("labels.csv.gz")
    packed.write_bytes(whole)
    with pytest.raises(ReweighError, match=r"t/labels\.csv\.gz cannot be read as csv: .*Expected 2 columns, got 3"):
        index(packed, tmp_path / "c")
    packed.write_bytes(whole[:-9])
    with pytest.raises(
        ReweighError, match=r"t/labels\.csv\.gz is no whole \.gz: Compressed file ended before .*download complete"
    ):
        index(packed, tmp_path / "c")
    source.write_bytes(b"file,label\na.jpg,caf\xe9,7\n")
    with pytest.raises(ReweighError, match=r"t/labels\.csv cannot be read as csv: .*Expected 2 columns, got 3"):
        index(source, tmp_path / "c")


def test_texts_in_parquet_that_are_no_unicode_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a")
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xe9x")]
    )
    pq.write_table(pa.table({"file": ["a.jpg"], "label": ["cat"], "title": broken}), tmp_path / "x.parquet")
    with pytest.raises(ReweighError, match=r"x\.parquet cannot be read as parquet: .*Invalid UTF8"):
        index(tmp_path / "x.parquet", tmp_path / "c")


def test_a_name_that_no_file_can_have_is_a_missing_file(tmp_path: Path) -> None:
    source = table(tmp_path / "t", f"file,label\na.jpg,0\n{'x' * 300}.jpg,1\nb.jpg,1\n", images=False)
    for name in ("a.jpg", "b.jpg"):
        (source.parent / name).write_bytes(name.encode())
    assert index(source, tmp_path / "c").n == 2
