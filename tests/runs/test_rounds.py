"""Rounds, further models, weights that are published, and a kill between a stage and what it publishes."""

from __future__ import annotations

import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from reweigh.errors import ReweighError
from reweigh.runs.recipe import changed_recipe, overridden, read_recipe, recipe_from, write_recipe
from reweigh.runs.resolve import resolve
from reweigh.runs.run import run
from reweigh.runs.source import Source
from reweigh.runs.steps import publish

CHANGES = ["backbone.name=pixels", "backbone.input_size=6", "evidence.n_folds=3", "threads=1"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes about a grey level, 60 and 30 images; one image stands twice, one under both labels, two are broken."""
    folder = tmp_path_factory.mktemp("rounds") / "photos"
    generator = np.random.default_rng(0)
    for name, level, n in (("dark", 60, 60), ("light", 180, 30)):
        (folder / name).mkdir(parents=True)
        for number in range(n):
            pixels = np.clip(level + 40 * generator.standard_normal((8, 8, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:03d}.png")
    shutil.copy(folder / "dark" / "000.png", folder / "dark" / "copy.png")
    shutil.copy(folder / "dark" / "001.png", folder / "light" / "other-label.png")
    (folder / "dark" / "broken.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def finished(photos: Path) -> Path:
    output = photos.parent / "auto"
    run(Source(path=photos), read_recipe("auto", [*CHANGES, "images.unreadable_limit=0.5"]), output=output)
    return output


def test_every_training_image_has_a_row_of_weights(finished: Path) -> None:
    table = pq.read_table(finished / "weights.parquet").to_pydict()
    row = {uid: at for at, uid in enumerate(table["uid"])}
    assert list(table)[:3] == ["uid", "weight", "credibility"]
    weights = np.array(table["weight"])
    assert np.isfinite(weights).all()
    assert weights[weights > 0].mean() == pytest.approx(1, abs=1e-5)
    for uid in ("dark/broken.png", "dark/copy.png"):
        if uid in row:  # some images are set aside
            assert table["weight"][row[uid]] == 0
            assert table["held_out"][row[uid]] is None
    if "dark/001.png" in row and "light/other-label.png" in row:
        pair = [table["weight"][row[uid]] > 0 for uid in ("dark/001.png", "light/other-label.png")]
        assert sorted(pair) == [False, True]
        assert pair[0], "the image is dark: that label is the more credible one"
    assert (finished / "03-weights" / "weights.parquet").read_bytes() == (finished / "weights.parquet").read_bytes()


def test_the_baseline_recipe_in_the_same_folder_keeps_the_evidence_and_takes_the_weights_away(
    photos: Path, tmp_path: Path
) -> None:
    output, said = tmp_path / "run", []
    changes = [*CHANGES, "images.unreadable_limit=0.5"]
    run(Source(path=photos), read_recipe("balance", [*changes, "weights.use=['class_balance']"]), output=output)
    assert (output / "weights.parquet").exists()
    run(Source(path=photos), read_recipe("baseline", changes), output=output, say=said.append)
    assert "unchanged, used again: 01-features, 02-evidence, 03-verdicts" in said
    assert not (output / "weights.parquet").exists()
    assert json.loads((output / "metrics.json").read_text())["baseline"] is None


def test_rounds_are_done_in_order_and_share_what_they_have_in_common(photos: Path, tmp_path: Path) -> None:
    said: list[str] = []
    changes = [*CHANGES, "images.unreadable_limit=0.5"]
    result = run(Source(path=photos), read_recipe("curriculum", changes), output=tmp_path / "run", say=said.append)
    assert [line for line in said if line.startswith("round")] == ["round 1 of 3", "round 2 of 3", "round 3 of 3"]
    assert sorted(p.name for p in (tmp_path / "run" / "round-2").iterdir()) == [
        "03-weights",
        "04-training",
        "05-metrics",
    ]
    first, last = (
        pq.read_table(tmp_path / "run" / place / "03-weights" / "weights.parquet")["weight"].to_numpy()
        for place in ("", "round-3")
    )
    assert (first > 0).sum() < (last > 0).sum()
    assert (tmp_path / "run" / "weights.parquet").read_bytes() == (
        tmp_path / "run" / "round-3" / "03-weights" / "weights.parquet"
    ).read_bytes()
    assert result.metrics["weights"]["used"] == ["curriculum"]
    again: list[str] = []
    run(Source(path=photos), read_recipe("curriculum", changes), output=tmp_path / "run", say=again.append)
    assert "unchanged, used again: 01-features, 02-evidence, 03-verdicts, 03-weights, 04-training, 05-metrics" in again


def test_further_models_are_trained_on_the_same_weights(photos: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "two.toml"
    recipe.write_text('[weights]\nuse = ["auto"]\n[[models]]\nbackbone.input_size = 4\n[[models]]\nprobe.l2 = 1.0\n')
    changes = [*CHANGES, "images.unreadable_limit=0.5"]
    result = run(Source(path=photos), read_recipe(str(recipe), changes), output=tmp_path / "run")
    assert [m["backbone"] for m in result.metrics["models"]] == ["pixels", "pixels"]
    assert not list((tmp_path / "run" / "models").glob("*/03-weights"))
    configs = [
        json.loads((tmp_path / "run" / place / "model" / "config.json").read_text())
        for place in ("", "models/1", "models/2")
    ]
    sizes = (
        [config["reweigh"]["backbone"]["input_size"] for config in configs]
        if "backbone" in configs[0].get("reweigh", {})
        else None
    )
    assert sizes in (None, [6, 4, 6])


def test_a_mistake_in_a_round_is_found_before_any_work() -> None:
    with pytest.raises(ReweighError, match=r"rounds, number 2: No setting weights\.usee\. Did you mean 'weights\.use'"):
        recipe_from({"rounds": [{}, {"weights": {"usee": ["auto"]}}]})
    with pytest.raises(ReweighError, match=r"models, number 1: evaluation is the same for all rounds and models"):
        recipe_from({"models": [{"evaluation": {"n_draws": 200}}]})
    for changes in ({"weights": {"use": ["auto"]}}, {"targets": {"policy": "bootstrap"}}, {"evidence": {"n_folds": 3}}):
        with pytest.raises(
            ReweighError, match=r"models, number 2: .* is trained on the weights and targets of the last round"
        ):
            recipe_from({"models": [{}, changes]})


def test_models_are_added_once() -> None:
    one = read_recipe("auto", ["seed=3"], ["backbone.name=resnet50", "seed=1", "seed=1"])
    assert one.models == ({"backbone": {"name": "resnet50"}}, {"seed": 1})
    assert changed_recipe(one, [], ["seed=1", "probe.l2=.5 seed=2"]).models[2:] == ({"probe": {"l2": 0.5}, "seed": 2},)
    for text, message in (
        ("seed", "--model takes KEY=VALUE"),
        ("seed='1", r"--model .*quotation"),
        ("sede=1", "No setting sede"),
    ):
        with pytest.raises(ReweighError, match=message):
            read_recipe("auto", [], [text])


def test_what_a_kill_left_published_is_replaced_by_what_the_stage_made(tmp_path: Path) -> None:
    """Killed between the end of 04-training and its publication: the older model lies at the top of the run."""
    for place, text in (("new", "after"), ("model", "before")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "config.json").write_text(text)
    publish(tmp_path / "new", tmp_path / "model")
    assert (tmp_path / "model" / "config.json").read_text() == "after"
    inode = (tmp_path / "model").stat().st_ino
    publish(tmp_path / "new", tmp_path / "model")
    assert (tmp_path / "model").stat().st_ino == inode


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ('[[models]]\nbackbone.name = "resnet5O"', r"models, number 1: No backbone named 'resnet5O' in timm"),
        ('[[rounds]]\n[[rounds]]\nbackbone.name = "local-dir:gone"', r"rounds, number 2: No backbone folder .*gone"),
        ('[[models]]\n[[models]]\ntraining.mode = "finetune"', r"models, number 2: pixels is no network that could be trained"),
        ('[[rounds]]\nweights.use = ["cluster_weight"]', r"rounds, number 1: The weigher 'cluster_weight' is a multiplier"),
        ('[[models]]\ndevice = "cpu"', r"models, number 1: device is the same for all rounds and models of a run; set it once"),
    ],
)  # fmt: skip
def test_what_a_round_or_model_cannot_have_is_found_before_any_work(
    photos: Path, tmp_path: Path, changes: str, message: str
) -> None:
    (tmp_path / "later.toml").write_text(changes)
    with pytest.raises(ReweighError, match=message):
        run(Source(path=photos), read_recipe(str(tmp_path / "later.toml"), CHANGES), output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_model_more_leaves_everything_else_as_it_was_resolved() -> None:
    asked = read_recipe("balance", ["backbone.name=pixels", "threads=1"], ["seed=1"])
    resolved = resolve(asked)
    more = read_recipe("balance", ["backbone.name=pixels", "threads=1"], ["backbone.input_size=8", "seed=1"])
    other = replace(resolved, precision="bfloat16")  # as if it had been faster then
    made = resolve(more, (asked, other))
    assert made.precision == "bfloat16" and made.backbone == resolved.backbone
    assert made.models[1] == resolved.models[0] and made.models[0]["backbone"]["input_size"] == 8


def test_word_vectors_named_from_a_folder_are_found_from_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "v.vec").write_text("cat 1 2\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    changes = [
        "backbone.name=pixels", "threads=1", "weights.use=image_text", "evidence.label_text=word_vectors", "evidence.label_text_from=v.vec",
    ]  # fmt: skip
    asked = read_recipe("balance", changes)
    resolved = resolve(asked)
    monkeypatch.chdir(tmp_path / "elsewhere")
    made = resolve(read_recipe("balance", changes, ["seed=1"]), (asked, resolved))
    assert made.evidence.label_text_from == str(tmp_path / "v.vec") and made.models == ({"seed": 1},)


def test_another_backbone_has_an_input_size_of_its_own_and_all_of_it_is_written_down(
    photos: Path, tmp_path: Path, lite0: Path
) -> None:
    text = f'[[rounds]]\nprobe.l2 = 1.0\n[[models]]\nbackbone.name = "local-dir:{lite0}"\nprecision = "float32"\n[[models]]\nseed = 1\n'
    (tmp_path / "two.toml").write_text(text)
    made = resolve(read_recipe(str(tmp_path / "two.toml"), ["backbone.name=pixels", "threads=1"]))
    assert (made.backbone.name, made.backbone.input_size, made.precision) == ("pixels", 16, "float32")
    assert made.rounds == ({"probe": {"l2": 1.0}},) and made.models[1] == {"seed": 1}
    last = overridden(made, made.rounds[-1])
    backbone = overridden(last, made.models[0]).backbone
    assert (backbone.input_size, backbone.memory_format) == (224, "channels_last")
    assert overridden(last, made.models[1]).backbone == made.backbone
    assert recipe_from(tomllib.loads(write_recipe(made))) == made
