"""Members of tars are byte ranges; what could harm is refused by its name."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reweigh.errors import ReweighError
from reweigh.images.tar_members import is_tar, read_members

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def tar_of(path: Path, *members: tarfile.TarInfo, data: bytes = b"", form: int = tarfile.GNU_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as tar:
        for member in members:
            member.size = len(data) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


part = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=50).filter(
    lambda name: name not in (".", "..")
)


@given(
    files=st.lists(
        st.tuples(st.lists(part, min_size=1, max_size=6), st.binary(max_size=1200)),
        max_size=6,
        unique_by=lambda f: "/".join(f[0]),
    ),
    form=st.sampled_from(sorted(FORMATS)),
)
@settings(max_examples=80, deadline=None)
def test_ranges_hold_the_bytes_that_tarfile_reads(
    tmp_path_factory: pytest.TempPathFactory, files: list, form: str
) -> None:
    path = tmp_path_factory.mktemp("tars") / "x.tar"
    with tarfile.open(path, "w", format=FORMATS[form]) as tar:
        for parts, data in files:
            info = tarfile.TarInfo("/".join(parts))
            info.size = len(data)
            try:
                tar.addfile(info, io.BytesIO(data))
            except ValueError:  # a name that ustar cannot hold
                continue
    whole = path.read_bytes()
    found = [(m.name, whole[m.offset : m.offset + m.length]) for m in read_members(path)]
    with tarfile.open(path) as tar:
        expected = [(info.name.removeprefix("./"), tar.extractfile(info).read()) for info in tar if info.isreg()]  # type: ignore[union-attr]
    assert found == expected


def test_folders_are_passed_over_and_a_leading_dot_is_dropped(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "x.tar", member("./a", tarfile.DIRTYPE), member("./a/1.jpg"), data=b"abc")
    (found,) = read_members(path)
    assert (found.name, path.read_bytes()[found.offset : found.offset + found.length]) == ("a/1.jpg", b"abc")


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("../up.jpg", tarfile.REGTYPE, r"member '\.\./up\.jpg' leaves the tar's own folder; refused"),
        ("a/../../up.jpg", tarfile.REGTYPE, "leaves the tar's own folder"),
        ("/etc/passwd", tarfile.REGTYPE, "member '/etc/passwd' leaves the tar's own folder"),
        ("link.jpg", tarfile.SYMTYPE, "member 'link.jpg' is a link, a device or a sparse file"),
        ("hard.jpg", tarfile.LNKTYPE, "member 'hard.jpg' is a link"),
        ("null", tarfile.CHRTYPE, "member 'null' is a link, a device"),
        ("pipe", tarfile.FIFOTYPE, "member 'pipe' is a link, a device"),
        ("x" * 5000, tarfile.REGTYPE, "has an absurd name of 5000 bytes"),
    ],
)
@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_hostile_members_are_refused_by_name(tmp_path: Path, name: str, kind: bytes, message: str, form: str) -> None:
    path = tar_of(tmp_path / "x.tar", member("good.jpg"), member(name, kind, "target"), form=FORMATS[form])
    with pytest.raises(ReweighError, match=message):
        list(read_members(path))


def test_a_size_beyond_the_file_is_refused(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "x.tar", member("a.jpg"), data=bytes(3000))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(
        ReweighError, match=r"member 'a\.jpg' claims 3,000 bytes, more than there are; refused \(a cut download"
    ):
        list(read_members(path))


def test_a_huge_size_in_binary_is_refused(tmp_path: Path) -> None:
    header = bytearray(member("a.jpg").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\x80" + (1 << 60).to_bytes(11, "big")
    header[148:156] = b"%06o\0 " % (sum(header) - sum(header[148:156]) + 256)
    path = tmp_path / "x.tar"
    path.write_bytes(bytes(header) + bytes(1024))
    with pytest.raises(ReweighError, match=r"member 'a.jpg' claims 1,152,921,504,606,846,976 bytes"):
        list(read_members(path))


def test_a_cut_between_members_is_noticed(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "x.tar", member("a.jpg"), member("b.jpg"), data=bytes(512))
    path.write_bytes(path.read_bytes()[: 1024 + 100])
    with pytest.raises(ReweighError, match="is not a whole tar: no header at byte 1,024"):
        list(read_members(path))


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "0 bytes are less than one header"), (b"no tar at all " * 100, "is not a tar")]
)
def test_what_is_no_tar_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(ReweighError, match=message):
        list(read_members(tmp_path / "x.tar"))


def test_a_compressed_tar_is_to_be_unpacked_first(tmp_path: Path) -> None:
    tar_of(tmp_path / "x.tar", member("a.jpg"))
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress((tmp_path / "x.tar").read_bytes()))
    with pytest.raises(ReweighError, match=r"compressed with gzip; .* Unpack it first"):
        list(read_members(tmp_path / "x.tar.gz"))
    assert is_tar(tmp_path / "x.tar.gz") and is_tar(tmp_path / "x.tar") and not is_tar(tmp_path / "x.jpg")


def test_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"No tar at .*: nothing is there"):
        list(read_members(tmp_path / "x.tar"))


def test_bytes_changed_anywhere_give_members_or_one_error(tmp_path: Path) -> None:
    whole = bytearray(
        tar_of(
            tmp_path / "x.tar", member("a" * 120), member("b.jpg"), data=b"abc", form=tarfile.PAX_FORMAT
        ).read_bytes()
    )
    generator = random.Random(0)
    for _ in range(400):
        broken = bytearray(whole)
        for _ in range(generator.randint(1, 4)):
            broken[generator.randrange(4096)] = generator.randrange(256)
        (tmp_path / "broken.tar").write_bytes(broken)
        try:
            found = list(read_members(tmp_path / "broken.tar"))
        except ReweighError:
            continue
        assert all(0 <= m.offset <= m.offset + m.length <= len(broken) for m in found)


def test_a_tar_cut_within_a_header_is_not_whole(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "x.tar", member("a.jpg"), member("b.jpg"), data=b"a", form=tarfile.USTAR_FORMAT)
    whole = path.read_bytes()
    for size in (1, 120, 200, 300, 511):  # behind a.jpg's header and block: within b.jpg's header
        path.write_bytes(whole[: 1024 + size])
        with pytest.raises(ReweighError, match=r"x\.tar is not a whole tar: no header at byte 1,024"):
            list(read_members(path))
