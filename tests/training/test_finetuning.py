"""Training a network on images: exact resume, weights as they should act, and what goes wrong said in one line."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reweigh.catalog.tables import ImageLocation
from reweigh.errors import ReweighError
from reweigh.features.backbones import resolve_backbone
from reweigh.features.settings import BackboneSettings
from reweigh.images.settings import AugmentationSettings, ImageSettings
from reweigh.ranks import Ranks
from reweigh.training.finetuning import Finetuned, FinetuneTask, chosen_batch, epoch_plan, finetune, schedule_of
from reweigh.training.settings import BagSettings, FinetuneSettings
from reweigh.training.training_log import read_log

PLAIN = AugmentationSettings(crop="center", flip=0.0)
N = 40


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of noise about a colour, even numbers red, odd ones green."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for number in range(N):
        colour = np.array([150, 60, 60] if number % 2 == 0 else [60, 150, 60])
        pixels = np.clip(colour + 30 * generator.standard_normal((40, 48, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")
    return folder


def task_of(photos: Path, **changes: Any) -> FinetuneTask:
    settings = FinetuneSettings(
        start="random", epochs=2, batch=8, learning_rate=0.3, warmup_epochs=0.0, log_steps=1, augmentation=PLAIN
    )
    settings = replace(settings, **changes.pop("settings", {}))
    network = BackboneSettings(name=changes.pop("network", "test_resnet"), input_size=32)
    return FinetuneTask(
        settings=settings, network=resolve_backbone(network, device="cpu", is_pretrained=False), k=2, rows=np.arange(N) + 100,
        targets=(np.arange(N) % 2).astype(np.int32), locate=lambda rows: [ImageLocation(path=photos / f"{row - 100:03d}.png") for row in rows],
        uids=lambda rows: [f"image {row}" for row in rows], images=ImageSettings(), device="cpu", precision="float32", seed=0, **changes,
    )  # fmt: skip


def same(one: Finetuned, other: Finetuned) -> bool:
    return all(torch.equal(value, other.tensors[name]) for name, value in one.tensors.items())


def losses(folder: Path) -> list[float]:
    return [line["loss"] for line in read_log(folder)]


def test_it_learns_what_can_be_seen(photos: Path, tmp_path: Path) -> None:
    task = task_of(photos, settings={"epochs": 6, "schedule": "constant"})
    made = finetune(task, tmp_path, key="a")
    log = read_log(tmp_path)
    assert log[-1]["loss"] < 0.5 * log[0]["loss"], [line["loss"] for line in log]
    assert made.facts["steps"] == 30 == len(log)
    assert {"epoch", "step", "loss", "agreement", "learning_rate", "images_per_second", "seconds"} <= set(log[0])


def _train_until(photos: str, workspace: str, at: int, settings: dict[str, Any]) -> None:
    """In a process of its own: train, and kill it when so many steps are reported."""
    torch.set_num_threads(1)

    def progress(stage: str, done: int, total: int | None = None, note: str = "") -> None:
        if done == at:
            os.kill(os.getpid(), signal.SIGKILL)

    finetune(task_of(Path(photos), settings=settings), Path(workspace), key="a", progress=progress)


ALL = {
    "checkpoint_steps": 2, "averaging": 0.9, "dropout": 0.3, "clip": 1.0,
    "augmentation": AugmentationSettings(augment="trivial", mixup=0.4, cutmix=1.0, erasing=0.3),
}  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "kills"),
    [
        (ALL | {"optimizer": "sgd"}, (1, 4, 5, 10)),
        (ALL | {"optimizer": "adamw", "micro_batch": 3, "workers": 2}, (1, 5)),  # each start takes seconds for its workers
    ],
    ids=["sgd, here", "adamw, gradients added up, two workers"],
)  # fmt: skip
def test_killed_and_resumed_the_losses_go_on_to_the_same_bits(
    photos: Path, tmp_path: Path, settings: dict[str, Any], kills: tuple[int, ...]
) -> None:
    """Killed before the first checkpoint, between two, at an epoch's end and at the very end."""
    torch.set_num_threads(1)
    whole = finetune(task_of(photos, settings=settings), tmp_path / "whole", key="a")
    context = multiprocessing.get_context("spawn")
    for at in kills:
        child = context.Process(target=_train_until, args=(str(photos), str(tmp_path / "cut"), at, settings))
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL, f"killed at step {at}, the process ended with {child.exitcode}"
    resumed = finetune(task_of(photos, settings=settings), tmp_path / "cut", key="a")
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    assert same(resumed, whole)


def test_weight_zero_equals_the_image_removed_and_all_weights_times_seven_change_nothing(
    photos: Path, tmp_path: Path
) -> None:
    weights = np.where(np.arange(N) < 24, 1.0, 0.0)
    weighted = finetune(task_of(photos, weights=weights), tmp_path / "a", key="a")
    seven = finetune(task_of(photos, weights=7 * weights), tmp_path / "b", key="a")
    few = task_of(photos)
    removed = finetune(replace(few, rows=few.rows[:24], targets=few.targets[:24]), tmp_path / "c", key="a")
    assert same(weighted, removed)
    assert same(weighted, seven)


def test_weights_on_the_sampling_draw_anew_each_epoch_and_leave_the_loss_alone(photos: Path) -> None:
    weights = np.where(np.arange(N) < 20, 3.0, 1.0)
    task = task_of(photos, weights=weights, settings={"weights_on": "sampling", "epochs": 40})
    plan = [epoch_plan(task, schedule_of(task), epoch) for epoch in range(40)]
    assert not np.array_equal(np.sort(plan[0], axis=None), np.sort(plan[1], axis=None))
    drawn = np.bincount(np.concatenate(plan).ravel(), minlength=N)
    assert drawn[:20].sum() / drawn.sum() == pytest.approx(0.75, abs=0.01)


def test_gradients_of_small_parts_add_up_to_those_of_the_whole_step(photos: Path, tmp_path: Path) -> None:
    """A network with layer normalisation: its result depends on no batch."""
    weights = np.random.default_rng(1).uniform(0.1, 2, N)
    made = [
        finetune(
            task_of(photos, network="test_vit", weights=weights, settings={"micro_batch": size, "learning_rate": 0.05}),
            tmp_path / str(size),
            key="a",
        )
        for size in (0, 3)
    ]
    np.testing.assert_allclose(losses(tmp_path / "3"), losses(tmp_path / "0"), rtol=1e-4)
    for name, value in made[0].tensors.items():
        torch.testing.assert_close(
            made[1].tensors[name], value, rtol=1e-3, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_frozen_statistics_stay_and_others_move(photos: Path, tmp_path: Path) -> None:
    def means(frozen: bool) -> torch.Tensor:
        made = finetune(task_of(photos, settings={"frozen_statistics": frozen}), tmp_path / str(frozen), key="a")
        return torch.cat([v.flatten() for name, v in made.tensors.items() if name.endswith("running_mean")])

    assert not means(True).any()
    assert means(False).any()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "lars", "lamb"])
@pytest.mark.parametrize("loss", ["cross_entropy", "generalised_cross_entropy", "symmetric_cross_entropy"])
def test_every_optimiser_and_loss_takes_a_step(photos: Path, tmp_path: Path, optimizer: str, loss: str) -> None:
    settings = {"optimizer": optimizer, "loss": loss, "epochs": 1, "learning_rate": 0.01, "autocast": "bfloat16"}
    made = finetune(task_of(photos, settings=settings), tmp_path, key="a")
    assert all(value.isfinite().all() for value in made.tensors.values())


def test_soft_targets_of_one_class_are_the_labels(photos: Path, tmp_path: Path) -> None:
    hard = task_of(photos)
    soft = replace(hard, targets=np.eye(2, dtype=np.float32)[hard.targets])
    one, other = finetune(hard, tmp_path / "hard", key="a"), finetune(soft, tmp_path / "soft", key="a")
    np.testing.assert_allclose(losses(tmp_path / "soft"), losses(tmp_path / "hard"), rtol=1e-5)
    assert {**one.facts, "weighted": True} == other.facts


def test_a_batch_larger_than_the_data_is_lowered_and_said(photos: Path) -> None:
    schedule = schedule_of(task_of(photos, settings={"batch": 4096}))
    assert (schedule.batch, schedule.n_steps) == (N, 1)


@pytest.mark.parametrize(
    ("n", "unit", "batch"), [(5, 1, 16), (256, 1, 16), (1265, 1, 64), (10**6, 1, 256), (1265, 3, 63), (1265, 4, 64), (300, 40, 40)]
)  # fmt: skip
def test_a_batch_is_chosen_so_that_few_images_make_steps_enough(n: int, unit: int, batch: int) -> None:
    assert chosen_batch(n, unit) == batch


def test_a_loss_that_is_not_finite_stops_with_the_images(photos: Path, tmp_path: Path) -> None:
    task = task_of(photos, settings={"learning_rate": 1e30, "log_steps": 5})
    with pytest.raises(
        ReweighError, match=r"not finite in epoch 1, step \d, on a batch of 8 images: image 1\d\d.*learning_rate"
    ):
        finetune(task, tmp_path, key="a")


def test_an_image_that_became_unreadable_is_counted_and_many_stop_the_training(photos: Path, tmp_path: Path) -> None:
    def broken(rows: np.ndarray) -> list[ImageLocation]:
        return [ImageLocation(path=photos / ("gone.png" if row == 103 else f"{row - 100:03d}.png")) for row in rows]

    task = replace(task_of(photos), locate=broken)
    made = finetune(replace(task, images=ImageSettings(unreadable_limit=0.1)), tmp_path / "a", key="a")
    assert made.facts["unreadable"] == 1
    with pytest.raises(ReweighError, match=r"1 of 40 images have become unreadable.*image 103 \(missing file\)"):
        finetune(task, tmp_path / "b", key="a")


def test_a_checkpoint_of_another_training_is_refused(photos: Path, tmp_path: Path) -> None:
    finetune(task_of(photos), tmp_path, key="a")
    with pytest.raises(ReweighError, match="checkpoint"):
        finetune(task_of(photos), tmp_path, key="b")


def test_weights_of_another_network_are_refused_as_a_start(photos: Path, tmp_path: Path) -> None:
    made = finetune(task_of(photos, settings={"epochs": 1}), tmp_path / "a", key="a")
    with pytest.raises(ReweighError, match="of another network"):
        finetune(replace(task_of(photos, network="test_vit"), tensors=made.tensors), tmp_path / "b", key="a")


def test_the_log_of_a_killed_process_is_cut_where_the_resume_begins(photos: Path, tmp_path: Path) -> None:
    finetune(task_of(photos), tmp_path, key="a")
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write(json.dumps({"loss": 9.0, "done_steps": 99}) + "\n" + '{"loss": 1')
    finetune(task_of(photos), tmp_path, key="a")
    assert [line["done_steps"] for line in read_log(tmp_path)] == list(range(1, 11))


def test_more_processes_than_images_are_refused(photos: Path) -> None:
    with pytest.raises(
        ReweighError, match="40 images with a weight cannot be dealt out to 41 processes; start at most 40"
    ):
        schedule_of(task_of(photos, settings={"batch": 41}, ranks=Ranks(rank=0, world=41)))


def test_a_gpu_without_enough_memory_says_what_to_lower(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch's own error, raised where a GPU would raise it."""

    def step(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("reweigh.training.stepping.Stepper.step", step)
    with pytest.raises(ReweighError, match=r"for 8 images of 32 pixels at once: lower finetune\.micro_batch"):
        finetune(task_of(photos), tmp_path, key="a")


BAGS = {"bags": BagSettings(size=3), "batch": 12, "epochs": 3}


def test_bags_learn_too_and_say_how_much_each_image_speaks_for_its_class(photos: Path, tmp_path: Path) -> None:
    task = task_of(photos, settings=BAGS, labels=np.arange(N) % 2)
    made = finetune(task, tmp_path, key="a")
    assert losses(tmp_path)[-1] < losses(tmp_path)[0]
    assert made.saliency is not None and np.nanmean(made.saliency) == pytest.approx(1, abs=0.15)
    assert {name for name in made.tensors if name.startswith("bag.")} >= {"bag.fc4.weight", "bag.score.0.weight"}


def test_bags_killed_and_resumed_end_in_the_same_bits(photos: Path, tmp_path: Path) -> None:
    """Stopped where the log is written for the ninth time, within the last epoch, whose saliency must go on too."""
    task = task_of(photos, settings={**BAGS, "checkpoint_steps": 1}, labels=np.arange(N) % 2)
    whole = finetune(task, tmp_path / "whole", key="a")

    def stop(name: str, done: int, total: int | None = None, note: str = "") -> None:
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(task, tmp_path / "cut", key="a", progress=stop)
    resumed = finetune(task, tmp_path / "cut", key="a")
    assert same(whole, resumed)
    np.testing.assert_array_equal(resumed.saliency, whole.saliency)


def test_the_loss_with_bags_is_that_of_images_and_of_bags(photos: Path, tmp_path: Path) -> None:
    """Weight 0 for the bags leaves the images' own loss; the bags' part is linear in their weight."""
    found = []
    for weight in (0.0, 1.0, 2.0):
        settings = {"bags": BagSettings(size=2, weight=weight), "batch": 40, "epochs": 1}
        finetune(task_of(photos, settings=settings, labels=np.arange(N) % 2), tmp_path / str(weight), key="a")
        found.append(losses(tmp_path / str(weight))[0])
    assert found[1] - found[0] == pytest.approx(found[2] - found[1], rel=1e-4) and found[1] > found[0]


def test_a_batch_is_a_whole_number_of_bags(photos: Path) -> None:
    assert schedule_of(task_of(photos, settings={"bags": BagSettings(size=3), "batch": 32})).batch == 30
    with pytest.raises(ReweighError, match="hold a bag of 3 images for each"):
        schedule_of(task_of(photos, settings={"bags": BagSettings(size=3), "batch": 4}, ranks=Ranks(rank=0, world=2)))


def test_ranks_share_the_bags_of_one(photos: Path) -> None:
    def plan(rank: int, world: int) -> np.ndarray:
        settings = {"bags": BagSettings(size=3), "batch": 24}
        task = task_of(photos, settings=settings, labels=np.arange(N) % 2, ranks=Ranks(rank=rank, world=world))
        return epoch_plan(task, schedule_of(task), 1).reshape(2, -1, 3)

    whole = plan(0, 1)
    np.testing.assert_array_equal(plan(0, 2), whole[:, ::2])
    np.testing.assert_array_equal(plan(1, 2), whole[:, 1::2])


def test_parts_of_a_step_are_even_so_that_none_is_a_single_image(photos: Path, tmp_path: Path) -> None:
    """8 images, at most 7 at once: 4 and 4, not 7 and 1, of which batch normalisation of a 1 x 1 map makes nothing."""
    made = finetune(task_of(photos, settings={"batch": 8, "micro_batch": 7, "epochs": 1}), tmp_path, key="a")
    assert made.facts["batch"] == 8 and np.isfinite(losses(tmp_path)).all()


def test_a_batch_of_one_image_that_cannot_be_normalised_is_told(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"normalises over the images of a batch, and one batch has a single image"):
        finetune(task_of(photos, network="resnet10t", settings={"batch": 1}), tmp_path, key="a")
