"""WebVision 1.0 and 2.0 as they lie on people's disks, with what is odd in them."""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.layouts.webvision_miniature import GOOGLE, JSON, MAP, SYNSETS, jpeg, make_webvision, make_webvision_2, write

from reweigh.catalog.summary import summarize
from reweigh.catalog.tables import Catalog, image_locations, read_classes, read_columns, read_groups, read_uids
from reweigh.errors import ReweighError
from reweigh.images.reading import read_bytes
from reweigh.layouts.recognition import Certainty
from reweigh.layouts.table_of_layouts import index, recognise
from reweigh.layouts.webvision_meta import read_entries


def column(catalog: Catalog, name: str) -> dict[str, object]:
    table = read_columns(catalog, ["uid", name])
    return dict(zip(table["uid"].to_pylist(), table[name].to_pylist(), strict=True))


def said(catalog: Catalog) -> str:
    return "\n".join(f"{name}: {value}" for name, value in summarize(catalog))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_webvision(tmp_path / "webvision")


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_it_is_recognised_at_the_root_and_at_info(root: Path) -> None:
    for source in (root, root / "info"):
        name, recognition = recognise(source)
        assert (name, recognition.certainty) == ("webvision", Certainty.CERTAIN)
        assert "synsets.txt and train_filelist_google.txt" in recognition.signs


def test_rows_have_label_query_rank_and_text(root: Path, tmp_path: Path) -> None:
    catalog = index(root, tmp_path / "c")
    assert column(catalog, "label") == {
        "google/q0001/a1B2c3D4e5F6gM.jpg": 0, "google/q0001/-Zk9_xYw8Vu7TM.jpg": 0, "google/q0002/a1B2c3D4e5F6gM.jpg": 0,
        "google/q0003/a1B2c3D4e5F6gM.jpg": 1, "google/q0004/_h3Jk5Lm7Np9QM.jpg": 2, "google/q0007/pngInsideXXXXM.jpg": 3,
        "google/q0007/truncatedXXXXM.jpg": 3, "google/q0006/noJsonXXXXXXXM.jpg": 0, "flickr/q0001/4712196700.jpg": 0,
        "flickr/q0001/23456.jpg": 0, "flickr/q0003/99887766.jpg": 1, "val000001.jpg": 0, "val000002.jpg": 1, "val000003.jpg": 3,
        "test000001.jpg": -1, "test000002.jpg": -1,
    }  # fmt: skip
    rank = column(catalog, "rank")
    assert rank["google/q0001/-Zk9_xYw8Vu7TM.jpg"] == 3  # a number
    assert rank["google/q0002/a1B2c3D4e5F6gM.jpg"] == 4  # a text
    assert rank["flickr/q0001/23456.jpg"] == 2  # its place
    assert rank["google/q0007/pngInsideXXXXM.jpg"] == 1  # `x` is none
    assert column(catalog, "query")["google/q0003/a1B2c3D4e5F6gM.jpg"] == "crane bird"
    assert column(catalog, "title")["google/q0003/a1B2c3D4e5F6gM.jpg"] == "鶴"
    description = column(catalog, "description")
    assert description["flickr/q0003/99887766.jpg"] == "鱼 & chips"
    assert description["google/q0001/-Zk9_xYw8Vu7TM.jpg"] == "no title key"
    tags = column(catalog, "tags")
    assert tags["flickr/q0001/4712196700.jpg"] == ["tench", "fishing"]
    assert tags["flickr/q0001/23456.jpg"] is None
    assert column(catalog, "page_url")["google/q0001/a1B2c3D4e5F6gM.jpg"] == "http://x/p"
    assert column(catalog, "split")["val000001.jpg"] == "val"


def test_classes_of_one_name_are_told_apart_and_keep_their_words(root: Path, tmp_path: Path) -> None:
    classes = read_classes(index(root, tmp_path / "c"))
    assert classes.names == ("tench", "crane (n02012849)", "crane (n03126707)", "toilet tissue")
    assert classes.synsets[3] == "n15075141"
    assert classes.words[0] == ("tench", "Tinca tinca")


def test_what_was_left_out_or_repaired_is_counted(root: Path, tmp_path: Path) -> None:
    text = said(index(root, tmp_path / "c"))
    assert "skipped: missing file: 1, e.g. google/q0007/notThereXXXXXM.jpg" in text
    assert "skipped: empty file: 1, e.g. google/q0007/zeroBytesXXXXM.jpg" in text
    assert "1 images stand at another place in their JSON file than the meta list says" in text
    assert "1 images have no text: their JSON file is not there" in text
    assert "1 images have no text: their JSON file has no entry" in text
    assert "WebVision 1.0" in text


def test_one_image_under_several_queries_is_one_group_even_without_its_bytes(root: Path, tmp_path: Path) -> None:
    catalog = index(root, tmp_path / "c", options={"hash": False})
    groups = dict(zip(read_uids(catalog), read_groups(catalog).tolist(), strict=True))
    assert len({groups[f"google/{query}/a1B2c3D4e5F6gM.jpg"] for query in ("q0001", "q0002", "q0003")}) == 1
    assert groups["flickr/q0001/23456.jpg"] != groups["google/q0001/a1B2c3D4e5F6gM.jpg"]


def test_the_second_version_is_detected(tmp_path: Path) -> None:
    catalog = index(make_webvision_2(tmp_path / "w"), tmp_path / "c")
    assert "WebVision 2.0" in said(catalog)
    assert column(catalog, "file")["google/q00001/abc.png"] == "google_images_resized/q00001/abc.jpg"
    assert column(catalog, "tags")["flickr/q12597/17.jpg"] == ["grey crane", "bird"]
    assert column(catalog, "query")["flickr/q12597/17.jpg"] == "crane"
    assert column(catalog, "file")["val000003.jpg"] == "val_images_resized/val000003.jpg"
    assert catalog.counts["splits"] == {"train": 3, "val": 3, "test": 2}
    (tmp_path / "w" / "test_filelist.txt").unlink()
    without = index(tmp_path / "w", tmp_path / "d")
    assert without.counts["splits"] == {"train": 3, "val": 3} and "no test_filelist.txt" in said(without)


def test_mini_is_googles_part_of_the_first_classes(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reweigh.layouts import webvision

    monkeypatch.setitem(webvision.SUBSETS, "mini", 2)
    catalog = index(root, tmp_path / "c", options={"subset": "mini"})
    assert read_classes(catalog).names == ("tench", "crane (n02012849)")
    assert catalog.counts["sources"] == {"google": 5}
    assert catalog.counts["splits"] == {"train": 5, "val": 2}


@pytest.mark.parametrize("folder", ["train_images_256", "google_resized_256", "train"])
def test_images_are_found_where_they_were_unpacked(tmp_path: Path, root: Path, folder: str) -> None:
    (root / folder).mkdir()
    (root / "google").rename(root / folder / "google")
    if folder != "google_resized_256":
        (root / "flickr").rename(root / folder / "flickr")
    catalog = index(root, tmp_path / "c")
    assert column(catalog, "file")["google/q0001/-Zk9_xYw8Vu7TM.jpg"] == f"{folder}/google/q0001/-Zk9_xYw8Vu7TM.jpg"
    assert catalog.counts["sources"] == {"google": 8, "flickr": 3}


def test_images_outside_of_the_root_by_option(tmp_path: Path, root: Path) -> None:
    (tmp_path / "disk").mkdir()
    for name in ("google", "flickr"):
        (root / name).rename(tmp_path / "disk" / name)
    catalog = index(root, tmp_path / "c", options={"images": str(tmp_path / "disk")})
    assert column(catalog, "file")["flickr/q0001/23456.jpg"] == str(tmp_path / "disk/flickr/q0001/23456.jpg")
    with pytest.raises(ReweighError, match=r"No folder .*nowhere \(option images\)"):
        index(root, tmp_path / "d", options={"images": "nowhere"})


def test_a_source_that_was_not_downloaded_is_left_out_with_a_warning(tmp_path: Path, root: Path) -> None:
    (root / "flickr").rename(tmp_path / "elsewhere")
    write(root / "flickr_resized_256.tar", b"x")
    text = said(index(root, tmp_path / "c"))
    assert (
        "no image of train_filelist_flickr.txt is there (flickr_resized_256.tar is not unpacked): its rows are left out"
        in text
    )
    (root / "flickr_resized_256.tar").unlink()
    (root / "google").rename(tmp_path / "elsewhere too")
    with pytest.raises(
        ReweighError, match=r"No image of .*train_filelist_google.txt is there, e.g. google/q0001/a1B2.*images=FOLDER"
    ):
        index(root, tmp_path / "d")


def test_images_are_read_from_inside_the_archives_where_none_is_unpacked(tmp_path: Path, root: Path) -> None:
    for name, folders in (
        ("google_resized_256", ["google"]),
        ("flickr_resized_256", ["flickr"]),
        ("val_images_256", ["val_images_256"]),
    ):
        with tarfile.open(root / f"{name}.tar", "w") as tar:
            for folder in folders:
                tar.add(root / folder, folder)
                (root / folder).rename(tmp_path / folder)
    catalog = index(root, tmp_path / "c")
    assert catalog.counts["sources"] == {"google": 8, "flickr": 3}
    assert catalog.counts["splits"] == {"train": 11, "val": 3}
    assert "google: images in the folder itself of 3 tars, read in place" in said(catalog)
    rows = read_columns(catalog, ["uid"])["uid"].to_pylist()
    location = image_locations(catalog, np.array([rows.index("val000001.jpg")]))[0]
    assert location.path.name == "val_images_256.tar"
    assert read_bytes(location) == (tmp_path / "val_images_256" / "val000001.jpg").read_bytes()


def test_texts_are_found_by_id_without_meta_list_and_in_gombrus_folders(tmp_path: Path, root: Path) -> None:
    (root / "info/train_meta_list_google.txt").unlink()
    (root / "meta/google").rename(root / "google_json")
    catalog = index(root, tmp_path / "c", options={"sources": "google"})
    assert column(catalog, "title")["google/q0002/a1B2c3D4e5F6gM.jpg"] == "again"
    assert "no train_meta_list_google.txt: texts are found by the images' ids" in said(catalog)


def test_without_json_files_there_is_a_warning(tmp_path: Path, root: Path) -> None:
    (root / "meta").rename(tmp_path / "elsewhere")
    assert "no JSON files (google/q0001.json and the like) of google: its images have neither title nor rank" in said(
        index(root, tmp_path / "c")
    )


def test_a_label_that_is_not_its_querys_is_counted(tmp_path: Path, root: Path) -> None:
    edit(root / "info/queries_synsets_map.txt", "3 2", "3 4")
    text = said(index(root, tmp_path / "c"))
    assert (
        "1 images of google have a label that is not their query's, e.g. google/q0003/a1B2c3D4e5F6gM.jpg (1, query 3 is of class 3)"
        in text
    )


def test_a_map_that_counts_from_0_is_noticed(tmp_path: Path, root: Path) -> None:
    lines = [line.split() for line in MAP.splitlines()]
    write(root / "info/queries_synsets_map.txt", "".join(f"{q} {int(s) - 1}\n" for q, s in lines))
    text = said(index(root, tmp_path / "c"))
    assert "queries_synsets_map.txt counts classes from 0" in text
    assert "not their query's" not in text


def test_odd_lines_of_lists(tmp_path: Path, root: Path) -> None:
    path = root / "info/train_filelist_flickr.txt"
    path.write_bytes(
        path.read_bytes() + b"flickr/q0001/23456.jpg 0\nflickr/q0003/99887766.jpg 2\nflickr/q0001/nolabel.jpg\n"
        b"../../etc/passwd 0\nflickr/q0001/caf\xe9.jpg 0"
    )
    write(root / "flickr/q0001/café.jpg", jpeg(77))
    text = said(index(root, tmp_path / "c"))
    assert "skipped: stands twice in the source: 1, e.g. flickr/q0001/23456.jpg" in text
    assert "skipped: stands twice, with another label (the first counts): 1, e.g. flickr/q0003/99887766.jpg" in text
    assert "skipped: no label in train_filelist_flickr.txt: 1, e.g. flickr/q0001/nolabel.jpg" in text
    assert "skipped: path that leads out of the folder: 1, e.g. ../../etc/passwd" in text
    assert "1 lines of train_filelist_flickr.txt are not UTF-8 and were read as latin-1" in text


def test_a_label_out_of_range_names_the_line(tmp_path: Path, root: Path) -> None:
    edit(root / "info/train_filelist_google.txt", "q0004/_h3Jk5Lm7Np9QM.jpg 2", "q0004/_h3Jk5Lm7Np9QM.jpg 4")
    with pytest.raises(
        ReweighError, match=r"train_filelist_google.txt, line 5: label '4' is none of the 4 classes, 0..3"
    ):
        index(root, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_folder_without_lists_says_what_is_missing(tmp_path: Path, root: Path) -> None:
    with pytest.raises(ReweighError, match=r"No info/synsets.txt in .*webvision/info has it: name .*webvision"):
        index(root.parent, tmp_path / "c", layout="webvision")
    (root / "info").rename(tmp_path / "gone")
    write(root / "info.tar", b"x")
    assert recognise(root)[0] == "webvision"
    with pytest.raises(ReweighError, match=r"No info/synsets.txt in .*info.tar is there: unpack it."):
        index(root, tmp_path / "c")


def large(root: Path, folders: int = 3, rows: int = 300) -> Path:
    """A source of a few queries with many images each, so that the first lines of its lists are of one query alone."""
    names = [f"google/q{q:04d}/{i:014d}.jpg" for q in range(1, folders + 1) for i in range(rows)]
    write(root / "info/synsets.txt", SYNSETS)
    write(root / "info/train_filelist_google.txt", "".join(f"{name} 0\n" for name in names))
    write(
        root / "info/train_meta_list_google.txt",
        "".join(f"{n.rpartition('/')[0]}.json {i % rows + 1}\n" for i, n in enumerate(names)),
    )
    for number, name in enumerate(names):
        write(root / name, jpeg(1) + str(number).encode())
    for query in range(1, folders + 1):
        entries = [{"id": f"{i:014d}", "rank": str(i + 1), "title": f"photo {i}"} for i in range(rows)]
        write(root / f"meta/google/q{query:04d}.json", json.dumps(entries))
    return root


def test_a_first_query_that_was_not_downloaded_takes_neither_images_nor_texts_of_the_others_away(
    tmp_path: Path,
) -> None:
    root = large(tmp_path / "webvision")
    (root / "meta/google/q0001.json").unlink()
    catalog = index(root, tmp_path / "c")
    assert sum(title is not None for title in column(catalog, "title").values()) == 600
    assert "300 images have no text: their JSON file is not there" in said(catalog)
    shutil.rmtree(root / "google/q0001")
    assert index(root, tmp_path / "d").n == 600


def test_a_meta_list_that_is_cut_or_shifted_is_told_and_ids_decide(tmp_path: Path) -> None:
    root = large(tmp_path / "webvision")
    path = root / "info/train_meta_list_google.txt"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:450]))
    catalog = index(root, tmp_path / "c")
    assert all(title is not None for title in column(catalog, "title").values())
    assert (
        "450 images have no line in the meta list beside train_filelist_google.txt; they were found by their id"
        in said(catalog)
    )
    path.write_text("".join(lines[1:]))  # from here on each line is of the image after
    catalog = index(root, tmp_path / "d")
    assert column(catalog, "title") == {uid: f"photo {int(uid[-18:-4])}" for uid in column(catalog, "title")}
    assert "images stand at another place in their JSON file than the meta list says" in said(catalog)


def test_validation_images_beside_an_option_for_images_are_read_from_there_or_from_where_they_are(
    tmp_path: Path, root: Path
) -> None:
    (tmp_path / "disk").mkdir()
    for name in ("google", "flickr", "val_images_256"):
        (root / name).rename(tmp_path / "disk" / name)
    options = {"images": str(tmp_path / "disk")}
    assert index(root, tmp_path / "c", options=options).counts["splits"] == {"train": 11, "val": 3, "test": 2}
    (tmp_path / "disk" / "val_images_256").rename(root / "val_images_256")
    assert index(root, tmp_path / "d", options=options).counts["splits"] == {"train": 11, "val": 3, "test": 2}
    (root / "val_images_256").rename(tmp_path / "gone")
    (root / "val_images_256.tar").write_bytes(b"")
    text = said(index(root, tmp_path / "e", options=options))
    assert "no image of val_filelist.txt is there (val_images_256.tar is not unpacked): its rows are left out" in text


def test_a_name_of_another_ending_is_found_as_jpg_in_a_tar_too(tmp_path: Path, root: Path) -> None:
    edit(root / "info/train_filelist_google.txt", "q0004/_h3Jk5Lm7Np9QM.jpg", "q0004/_h3Jk5Lm7Np9QM.png")
    assert "google/q0004/_h3Jk5Lm7Np9QM.png" in column(index(root, tmp_path / "c"), "label")
    with tarfile.open(root / "google.tar", "w") as tar:
        tar.add(root / "google", "google")
    for name in ("google", "flickr", "val_images_256"):
        (root / name).rename(tmp_path / name)
    assert "google/q0004/_h3Jk5Lm7Np9QM.png" in column(index(root, tmp_path / "d"), "label")


def test_the_list_of_all_has_the_words_of_both_sources_queries(tmp_path: Path, root: Path) -> None:
    info = root / "info"
    both = "".join((info / f"train_filelist_{name}.txt").read_text() for name in ("google", "flickr"))
    for name in ("google", "flickr"):
        (info / f"train_filelist_{name}.txt").unlink()
    write(info / "train_filelist_all.txt", both)
    catalog = index(root, tmp_path / "c")
    assert catalog.counts["sources"] == {"google": 8, "flickr": 3}
    queries = column(catalog, "query")
    assert (queries["google/q0003/a1B2c3D4e5F6gM.jpg"], queries["flickr/q0003/99887766.jpg"]) == ("crane bird", "crane")
    write(info / "train_filelist_google.txt", "google/q0001/a1B2c3D4e5F6gM.jpg 0\n")
    assert "only google has a list: what else it holds is left out (--option sources=all reads it)" in said(
        index(root, tmp_path / "d")
    )
    assert index(root, tmp_path / "e", options={"sources": "all"}).counts["sources"] == {"google": 8, "flickr": 3}


def test_a_map_that_counts_from_0_without_its_class_0_is_noticed_by_the_lists(tmp_path: Path, root: Path) -> None:
    write(root / "info/queries_synsets_map.txt", "3 1\n4 2\n7 3\n")
    text = said(index(root, tmp_path / "c"))
    assert "counts classes from 0" in text and "not their query's" not in text


def test_paths_with_a_dot_in_front_are_the_same_images(tmp_path: Path, root: Path) -> None:
    path = root / "info/train_filelist_flickr.txt"
    path.write_text(path.read_text().replace("flickr/", "./flickr/"))
    assert "flickr/q0001/23456.jpg" in column(index(root, tmp_path / "c"), "label")


def test_a_synset_that_stands_twice_names_its_line(tmp_path: Path, root: Path) -> None:
    write(root / "info/synsets.txt", f"{SYNSETS}\nn02012849 crane again")
    with pytest.raises(ReweighError, match=r"synsets\.txt, line 5: n02012849 stands twice"):
        index(root, tmp_path / "c")


def test_asking_for_what_is_not_there(tmp_path: Path, root: Path) -> None:
    with pytest.raises(ReweighError, match=r"No train_filelist_bing.txt: there are lists of google, flickr"):
        index(root, tmp_path / "c", options={"sources": "bing"})
    with pytest.raises(ReweighError, match=r"No subset of WebVision named 'tiny'"):
        index(root, tmp_path / "c", options={"subset": "tiny"})


@given(st.binary(max_size=80))
@example(b"[" * 5000)
@example(b'[{"id": "a", "title": ' + b"[" * 5000)
@example(b'[{"id": "\\ud800", "rank": 1}]')
@example(b'[{"id": "a\xff"}]')
@example(b"[1, null]")
@example(b'{"id": 1}')
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_entries_or_none(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.json"
        path.write_bytes(data)
        entries = read_entries(path)
    assert entries is None or all(hasattr(entry, "id") for entry in entries)


def test_a_json_file_with_lone_surrogates_or_bytes_that_are_no_text_is_read(tmp_path: Path, root: Path) -> None:
    broken = json.dumps(JSON["google/q0001.json"]).replace("never downloaded", "\\ud800")
    write(root / "meta/google/q0001.json", broken.replace("Tench", "\\udc00"))
    write(root / "meta/google/q0002.json", b"[" * 3000)
    catalog = index(root, tmp_path / "c")
    assert column(catalog, "title")["google/q0001/a1B2c3D4e5F6gM.jpg"] == "? \u2013 a fish"
    text = said(catalog)
    assert "JSON file that cannot be read: 1, e.g. google/q0002.json" in text
    assert "1 images have no text: their JSON file cannot be read" in text
    assert msgspec.json.encode(catalog.counts["notes"])


@given(st.binary(max_size=60))
@example(b"a/q0001/b.jpg 99999999999999999999\n")
@example(b"\x00")
@settings(max_examples=25, deadline=None)
def test_any_list_is_a_catalog_or_an_error_in_one_line(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = make_webvision(Path(folder) / "w")
        rows = "".join(f"{path} {label}\n" for path, label, _ in GOOGLE).encode()
        (root / "info/train_filelist_google.txt").write_bytes(rows + data)
        try:
            assert index(root, Path(folder) / "c", options={"sources": "google"}).n >= 8
        except ReweighError as error:
            assert "\n" not in str(error)
