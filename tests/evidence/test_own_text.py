"""Own text of a catalog's columns: joined, counted, kept."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from reweigh.catalog.tables import plain_classes
from reweigh.errors import ReweighError
from reweigh.evidence import own_text
from reweigh.evidence.inputs import EvidenceInputs
from reweigh.evidence.own_text import joined_texts, load_own_text, make_own_text, save_own_text
from reweigh.evidence.settings import EvidenceSettings
from reweigh.features.matrix import ArrayFeatures
from reweigh.probes.settings import ProbeSettings

TABLE = pa.table(
    {
        "title": pa.array(["a black cat", None, None, "mountain"], pa.string()),
        "tags": pa.array([["pet", "sofa"], None, ["dog"], []], pa.list_(pa.string())),
        "description": pa.array([None, None, "my dog", None], pa.string()),
        "query": pa.array(["cat", None, "dog", "dog"], pa.string()),
    }
)


def inputs(**changes: object) -> EvidenceInputs:
    def columns(names: Sequence[str], positions: NDArray[np.int64]) -> pa.Table:
        return TABLE.select(list(names)).take(pa.array(positions))

    given: dict = {
        "features": ArrayFeatures(np.zeros((10, 2), np.float32)),
        "rows": np.array([3, 5, 7, 9]),
        "labels": np.array([0, 0, 0, 1]),
        "groups": np.arange(4),
        "k": 2,
        "probe": ProbeSettings(),
        "columns": columns,
        "classes": plain_classes(["cat", "dog"]),
    }
    return EvidenceInputs(**(given | changes))


def make(**changes: object) -> own_text.OwnText:
    return make_own_text(inputs(**changes), EvidenceSettings(), 0)


def test_title_tags_and_description_are_one_text() -> None:
    assert joined_texts(TABLE) == ["a black cat pet sofa", "", "dog my dog", "mountain"]


def test_rows_without_text_and_without_keyword_are_counted_apart() -> None:
    found = make()
    np.testing.assert_array_equal(found.rows, [3, 5, 7, 9])
    np.testing.assert_array_equal(found.similarity, np.float32([1, np.nan, 0, np.nan]))
    assert (found.n_without_text, found.n_without_keyword) == (1, 1)


@pytest.mark.parametrize("missing", ["columns", "classes"])
def test_without_columns_or_classes_there_is_no_opinion(missing: str) -> None:
    found = make(**{missing: None})
    assert np.isnan(found.similarity).all()
    assert (found.n_without_text, found.n_without_keyword) == (4, 0)


def test_the_size_of_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make()
    monkeypatch.setattr(own_text, "BLOCK_ROWS", 3)
    np.testing.assert_array_equal(make().similarity, whole.similarity)


def test_the_query_word_says_less() -> None:
    table: Callable = lambda names, positions: pa.table(  # noqa: E731
        {
            "title": ["cat dog", "cat dog", "dog", "dog"],
            "tags": pa.array([None] * 4, pa.list_(pa.string())),
            "description": pa.array([None] * 4, pa.string()),
            "query": ["cat", None, None, None],
        }
    )
    found = make(columns=table)
    assert found.similarity[0] < found.similarity[1]


def test_it_is_kept_in_a_folder(tmp_path: Path) -> None:
    made = make()
    save_own_text(made, tmp_path)
    loaded = load_own_text(tmp_path)
    np.testing.assert_array_equal(loaded.rows, made.rows)
    np.testing.assert_array_equal(loaded.similarity, made.similarity)
    assert (loaded.n_without_text, loaded.n_without_keyword) == (1, 1)
    (tmp_path / "similarity.npy").unlink()
    with pytest.raises(ReweighError, match=r"similarity\.npy is missing"):
        load_own_text(tmp_path)


def test_descriptions_of_classes_count() -> None:
    titles = ["mountain", *["cat"] * 9]  # one in ten: no stop word
    nothing = pa.array([None] * 10, pa.string())
    table = pa.table(
        {
            "title": titles,
            "tags": pa.array([None] * 10, pa.list_(pa.string())),
            "description": nothing,
            "query": nothing,
        }
    )
    classes = replace(plain_classes(["cat", "dog"]), descriptions=("feline mammal", "of a mountain"))
    labels = np.array([1] + [0] * 9)
    found = make(rows=np.arange(10), labels=labels, classes=classes, columns=lambda names, positions: table)
    assert found.similarity[0] > 0
