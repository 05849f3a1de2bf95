"""Every weigher of the table keeps the contract; a weigher that does not is named with the promise it breaks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from reweigh.errors import ReweighError
from reweigh.evidence.table import EVIDENCE
from reweigh.testing import CONTRACT, check_weigher, example_evidence
from reweigh.weighers.factor import Kind, make_factor
from reweigh.weighers.rank_limit import RankLimit
from reweigh.weighers.settings import WeightSettings, weigher_named
from reweigh.weighers.table_of_weighers import WEIGHERS

SHORTER = {"image_text": {"steps": 60}}
"""Of what is trained: a tenth of the steps takes minutes off the suite, and no promise is about accuracy."""


@pytest.mark.parametrize("promise", CONTRACT)
@pytest.mark.parametrize("name", WEIGHERS)
def test_every_weigher_keeps_every_promise(name: str, promise: str) -> None:
    weigher: Any = weigher_named(name, WeightSettings())
    CONTRACT[promise](name, replace(weigher, **SHORTER.get(name, {})))


def test_every_weigher_has_its_settings_in_the_recipe_and_needs_pieces_that_exist() -> None:
    for name, record in WEIGHERS.items():
        assert isinstance(getattr(WeightSettings(), name), record)
        assert set(record.needs) <= {*EVIDENCE, "features"}, name


def test_settings_other_than_the_defaults_keep_the_contract_too() -> None:
    check_weigher(RankLimit(limit={"flickr": 15, "*": 40}), name="rank_limit")


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A third party's weigher with a choice of mistakes."""

    mistake: str
    kind: ClassVar[Kind] = "credibility"
    group: ClassVar[str] = "visual"
    needs: ClassVar[tuple[str, ...]] = ()

    def fit(self, evidence):  # type: ignore[no-untyped-def]
        return None

    def weigh(self, evidence, state, credibility=None):  # type: ignore[no-untyped-def]
        labels = evidence["images"].labels
        values = {
            "shape": np.ones((len(labels), 2)),
            "range": np.full(len(labels), 1.5),
            "order": np.arange(len(labels)) / len(labels),
            "silent": np.full(len(labels), np.nan),
            "undeclared": evidence["agreement"].share if self.mistake == "undeclared" else None,
            "random": np.random.default_rng().random(len(labels)),
        }
        if self.mistake == "changes":
            labels[0] = (labels[0] + 1) % 2
            return np.ones(len(labels)), {}
        return values[self.mistake], {}


@pytest.mark.parametrize(
    ("mistake", "promise"),
    [
        ("shape", "one value an image"),
        ("range", "in the range of its kind"),
        ("order", "order of the rows"),
        ("random", "order of the rows"),
        ("silent", "has an opinion"),
        ("undeclared", "`needs` lists"),
        ("changes", "is not changed"),
    ],
)
def test_a_mistake_is_named_with_the_promise_it_breaks(mistake: str, promise: str) -> None:
    with pytest.raises(AssertionError, match=promise):
        check_weigher(Broken(mistake=mistake), name="mine")


def test_a_wrong_shape_names_the_weigher_and_both_shapes() -> None:
    with pytest.raises(ReweighError, match=r"'mine' must give one value an image, shape \(240,\); it gave \(240, 2\)"):
        make_factor("mine", Broken(mistake="shape"), example_evidence())
