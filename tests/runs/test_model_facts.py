"""A run's model card says how its model was made and what it was measured to do; no path gets into it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reweigh.runs.model_facts import model_facts
from reweigh.runs.recipe import read_recipe


def figures(top_1: float) -> dict[str, Any]:
    return {
        "n": 1200,
        "top_1": top_1,
        "top_1_interval": [top_1 - 0.01, top_1 + 0.01],
        "top_5": None,
        "class_averaged": top_1 - 0.1,
    }


def metrics(mode: str = "probe", **changes: Any) -> dict[str, Any]:
    def on_test(top_1: float) -> dict[str, Any]:
        return {
            "agreement": figures(top_1),
            "accuracy": {"truth": {"n": 0}, "verified_label": figures(top_1 + 0.05)},
            "source": "test",
        }

    training = {"mode": mode, "rows": 5000, "batch": 256}
    return {
        "training": training,
        "test": on_test(0.815),
        "baseline": on_test(0.8),
        "weights": {"effective_share": 0.66},
        **changes,
    }


def test_a_probe_with_weights_by_hand() -> None:
    recipe = read_recipe("baseline", [])
    facts = model_facts(recipe, metrics(), data="/home/me/photos.catalog", weighers=("held_out", "neighbours"))
    assert facts == {
        "data": "photos", "images": 5000, "is_pretrained": True,
        "training": "a linear last layer on features; the network stayed as it was",
        "weighing": "each image weighed by held_out, neighbours; effective share of the images 66.0 %",
        "figures": [
            ("test: agreement", "81.5 % (95 %: 80.5-82.5) of 1,200 images, mean over classes 71.5 %"),
            ("test: accuracy, checked", "86.5 % (95 %: 85.5-87.5) of 1,200 images, mean over classes 76.5 %"),
            ("the same, trained without weights: agreement", "80.0 % (95 %: 79.0-81.0) of 1,200 images, mean over classes 70.0 %"),
            ("the same, trained without weights: accuracy, checked", "85.0 % (95 %: 84.0-86.0) of 1,200 images, mean over classes 75.0 %"),
        ],
    }  # fmt: skip


def test_without_weights_and_test_images_nothing_is_said_of_them() -> None:
    facts = model_facts(
        read_recipe("baseline", []), metrics(weights=None, test=None, baseline=None), data="x", weighers=()
    )
    assert facts["weighing"] == "each image counted the same"
    assert facts["figures"] == []


def test_images_set_aside_are_named_as_such() -> None:
    on_test = {**metrics()["test"], "source": "set aside"}
    facts = model_facts(read_recipe("baseline", []), metrics(test=on_test, baseline=None), data="x", weighers=())
    assert facts["figures"][-1][0] == "measured on"
    assert "set aside from training" in facts["figures"][-1][1]


@pytest.mark.parametrize(("start", "is_pretrained"), [("backbone", True), ("random", False)])
def test_a_finetuned_network_says_its_epochs_and_whether_it_was_pretrained(start: str, is_pretrained: bool) -> None:
    recipe = read_recipe("baseline", ["training.mode=finetune", "finetune.epochs=3", "finetune.averaging=0.99"])
    recipe = replace(recipe, finetune=replace(recipe.finetune, start=start))  # type: ignore[arg-type]
    facts = model_facts(recipe, metrics("finetune"), data="x", weighers=())
    assert (
        facts["training"]
        == "the whole network on the images, 3 epochs, 256 images a step, its weights averaged over the steps"
    )
    assert facts["is_pretrained"] == is_pretrained
