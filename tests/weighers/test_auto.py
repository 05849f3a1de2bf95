"""`auto` takes what the data allows and says in one line what it lacks; other packages' weighers are found by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from typing import ClassVar

import numpy as np
import pytest

from reweigh.errors import ReweighError
from reweigh.testing import example_evidence
from reweigh.weighers import table_of_weighers
from reweigh.weighers.auto import choose, said
from reweigh.weighers.settings import WeightSettings, pieces_for, weigher_named

AUTO = WeightSettings(use=("auto",))


def test_auto_takes_what_the_data_allows() -> None:
    images = example_evidence()["images"]
    everything = ("duplicates", "held_out", "neighbours", "rank", "own_text", "verified", "class_balance")
    assert choose(AUTO, images, has_text=True).names == everything
    bare = replace(images, rank=np.zeros_like(images.rank), person=np.full_like(images.person, np.nan))
    chosen = choose(AUTO, bare, has_text=False, has_checked=True)
    assert chosen.names == ("duplicates", "held_out", "neighbours", "class_balance")
    assert [name for name, _ in chosen.lacking] == ["rank", "own_text", "verified"]
    assert said(chosen).startswith(
        "weights from duplicates, held_out, neighbours, class_balance (not used: rank: no ranks; own_text: no titles"
    )
    assert "verified" not in said(choose(AUTO, bare, has_text=False))


def test_auto_with_others_beside_it_and_some_left_out() -> None:
    images = example_evidence()["images"]
    settings = WeightSettings(use=("rank_limit", "auto"), leave_out=("duplicates", "verified"))
    names = choose(settings, images, has_text=False).names
    assert names == ("rank_limit", "held_out", "neighbours", "rank", "class_balance")
    assert choose(WeightSettings(use=("held_out",)), images, has_text=False).lacking == ()


def test_pieces_come_after_what_they_are_made_from_and_only_once() -> None:
    assert pieces_for(("neighbours", "held_out", "class_balance"), AUTO, {}) == ["neighbours", "held_out", "agreement"]
    assert pieces_for(("held_out",), AUTO, {"agreement": object()}) == []


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """A weigher that another package brings."""

    strength: float = 1.0
    kind: ClassVar[str] = "credibility"
    group: ClassVar[str] = "source"
    needs: ClassVar[tuple[str, ...]] = ("moon_phase",)


def test_a_weigher_of_another_package_is_found_with_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint(name="foreign", value=f"{__name__}:Foreign", group="reweigh.weighers")
    monkeypatch.setattr(EntryPoint, "load", lambda self: Foreign)
    monkeypatch.setattr(table_of_weighers, "entry_points", lambda group: [entry])
    settings = WeightSettings(use=("held_out", "foreign"), other={"foreign": {"strength": 2.0}})
    assert weigher_named("foreign", settings) == Foreign(strength=2.0)
    with pytest.raises(ReweighError, match=r"The weigher 'foreign' needs 'moon_phase'; there is evidence on: held_out"):
        pieces_for(("foreign",), settings, {})
    with pytest.raises(ReweighError, match=r"No setting weights\.other\.foreign\.strenght; there are: strength"):
        weigher_named("foreign", WeightSettings(other={"foreign": {"strenght": 1.0}}))
    with pytest.raises(
        ReweighError, match=r"No weigher named 'foreing'; there are: .*foreign\. Did you mean 'foreign'"
    ):
        WeightSettings(use=("foreing",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"use": ("held_out", "held_out")}, "names a weigher twice"),
        ({"use": ("helt_out",)}, "Did you mean 'held_out'"),
        ({"leave_out": ("densty",)}, "Did you mean 'density'"),
        ({"sharpness": -1.0}, r"weights\.sharpness must be 0"),
        ({"clip": 1.0}, r"weights\.clip must be above 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ReweighError, match=message):
        WeightSettings(**changes)
