"""Lines of text lists: any line ends, sizes beyond a block, and lines from all over a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reweigh.catalog.findings import Findings
from reweigh.errors import ReweighError
from reweigh.layouts.text_lists import WIDEST, read_lines, spread_lines


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_long_list_is_read_whatever_its_line_ends_are(tmp_path: Path, end: str) -> None:
    names = [f"images/{i:020d},{i}.jpg {i % 14}" for i in range(5_000)]
    (tmp_path / "x.txt").write_bytes(("\ufeff" + end.join(names)).encode())
    assert (tmp_path / "x.txt").stat().st_size > 2 * WIDEST
    lines = list(read_lines(tmp_path / "x.txt", Findings()))
    assert [line.text for line in lines] == names
    assert [line.number for line in lines] == list(range(1, 5_001))


@given(
    st.lists(st.text(alphabet="ab \t", max_size=5), max_size=12),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(1, 9),
)
@settings(max_examples=100, deadline=None)
def test_blocks_that_end_anywhere_give_the_same_lines(parts: list[str], end: str, size: int) -> None:
    import tempfile

    from reweigh.layouts import text_lists

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "x.txt"
        path.write_bytes(end.join(parts).encode())
        patch.setattr(text_lists, "WIDEST", size)  # of a block; `widest` keeps its default
        expected = [(number, part.strip()) for number, part in enumerate(parts, 1) if part.strip()]
        try:
            assert [(line.number, line.text) for line in read_lines(path, Findings(), widest=99)] == expected
        except ReweighError:
            assert not expected


def test_a_line_without_end_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"a 1\n" + b"x" * (3 * WIDEST))
    with pytest.raises(ReweighError, match="line 2: no text; is this the list"):
        list(read_lines(tmp_path / "x.txt", Findings()))


def test_lines_from_all_over_a_file_are_whole_and_in_order(tmp_path: Path) -> None:
    names = [f"q{i // 100:04d}/{i:06d}.jpg {i}" for i in range(3_000)]
    (tmp_path / "x.txt").write_text("\n".join(names) + "\n")
    found = spread_lines(tmp_path / "x.txt", 60)
    assert set(found) <= set(names) and found == sorted(found) and len(found) == 60 and found[0] == names[0]
    assert len({name[:5] for name in found}) == 30, "every folder"
    (tmp_path / "few.txt").write_bytes(b"a 1\rb 2\rc 3")
    assert set(spread_lines(tmp_path / "few.txt", 60)) == {"a 1", "b 2", "c 3"}
    (tmp_path / "none.txt").write_bytes(b"")
    assert spread_lines(tmp_path / "none.txt", 60) == []
