"""Two and three processes give the bits of one, also where they cannot be dealt out evenly; an error of one is an error of all."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from reweigh.cli.main import app
from reweigh.errors import ReweighError
from reweigh.features.matrix import ArrayFeatures
from reweigh.probes.folds import assign_folds
from reweigh.probes.linear import fit_probe
from reweigh.probes.settings import ProbeSettings
from reweigh.probes.strength import choose_l2
from reweigh.ranks import (
    ALONE,
    LostProcess,
    Ranks,
    SharedError,
    agreed,
    from_owner,
    joined,
    ranks_of_environment,
    together,
)
from reweigh.runs.check import check
from reweigh.runs.recipe import read_recipe
from reweigh.runs.run import run
from reweigh.runs.source import Source
from reweigh.training.training_log import read_log

PRELOADED = ["torch.distributed", "faiss", "scipy.optimize", "reweigh.runs.run"]
"""Loaded once, or every process would spend seconds on it."""
PIXELS = [
    "backbone.name=pixels",
    "backbone.input_size=6",
    "features.block_rows=16",
    "evidence.n_folds=3",
    "threads=1",
    "images.unreadable_limit=0.02",
]
NETWORK = [
    "training.mode=finetune", "finetune.network.name=test_vit", "finetune.network.input_size=32", "finetune.start=random",
    "finetune.epochs=4", "finetune.batch=12", "finetune.learning_rate=0.05", "finetune.log_steps=1", "precision=float32",
]  # fmt: skip


def _process(rank: int, world: int, port: int, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    os.environ |= {
        "RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    ranks = ranks_of_environment()
    with joined(ranks):
        work(ranks, *arguments)


def in_processes(world: int, work: Callable[..., Any], *arguments: Any) -> list[int | None]:
    """The exit codes of so many processes that do this together; they are ended after a minute."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    processes = [context.Process(target=_process, args=(rank, world, port, work, arguments)) for rank in range(world)]
    for process in processes:
        process.start()
    ends = time.monotonic() + 60
    for process in processes:
        process.join(max(ends - time.monotonic(), 0.1))
        if process.is_alive():
            process.kill()
            process.join()
    return [process.exitcode for process in processes]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of noise about a grey level, 25, 24 and 22 images, one of them cut: no number of processes divides them."""
    folder = tmp_path_factory.mktemp("several") / "photos"
    generator = np.random.default_rng(0)
    for label, (name, count) in enumerate({"dark": 25, "grey": 24, "light": 22}.items()):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            level = (40, 110, 190)[(label + (number % 10 == 0)) % 3]
            pixels = np.clip(level + 40 * generator.standard_normal((12, 12, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:03d}.png")
    cut = folder / "light" / "021.png"
    cut.write_bytes(cut.read_bytes()[:100])
    return folder


@pytest.fixture(scope="module")
def alone(photos: Path) -> Path:
    """The run of one process."""
    _run(ALONE, str(photos), str(photos.parent / "one"), PIXELS)
    return photos.parent / "one"


def _run(ranks: Ranks, photos: str, output: str, changes: list[str]) -> None:
    run(Source(path=Path(photos)), read_recipe("auto", changes), output=Path(output), ranks=ranks)


def _check(ranks: Ranks, photos: str, output: str, changes: list[str]) -> None:
    check(Source(path=Path(photos)), read_recipe("auto", changes), output=Path(output), ranks=ranks)


@pytest.mark.parametrize(("world", "block_rows"), [(2, 16), (3, 64)])
def test_a_run_of_several_processes_leaves_the_bytes_of_one(
    photos: Path, alone: Path, tmp_path: Path, world: int, block_rows: int
) -> None:
    """71 images are five blocks on two processes, or two blocks on three: the last one has nothing to extract."""
    changes = [*PIXELS, f"features.block_rows={block_rows}"]
    assert in_processes(world, _run, str(photos), str(tmp_path / "many"), changes) == [0] * world
    for name in ("metrics.json", "weights.parquet", "verdicts.parquet", "model/model.safetensors"):
        assert (tmp_path / "many" / name).read_bytes() == (alone / name).read_bytes(), name
    for name in ("features.npy", "unreadable.parquet"):
        many, one = (next(run.glob(f"catalog/features/*/{name}")) for run in (tmp_path / "many", alone))
        assert many.read_bytes() == one.read_bytes(), name
    assert not [
        path for path in tmp_path.rglob("*") if path.name.startswith(("run.lock", "stop")) or ".partial" in path.name
    ]


def test_clusters_and_targets_of_two_processes_are_those_of_one(photos: Path, alone: Path, tmp_path: Path) -> None:
    changes = [*PIXELS, 'weights.use=["held_out", "clusters", "class_balance"]', "targets.policy=bootstrap"]
    for name in ("one", "two"):
        shutil.copytree(alone, tmp_path / name)
    _run(ALONE, str(photos), str(tmp_path / "one"), changes)
    assert in_processes(2, _run, str(photos), str(tmp_path / "two"), changes) == [0, 0]
    for name in ("weights.parquet", "03-targets/targets.parquet", "model/model.safetensors", "metrics.json"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes(), name


def test_a_check_of_two_processes_gives_the_verdicts_of_one(photos: Path, alone: Path, tmp_path: Path) -> None:
    assert in_processes(2, _check, str(photos), str(tmp_path), PIXELS) == [0, 0]
    for name in ("verdicts.parquet", "weights.parquet", "verdicts.csv"):
        assert (tmp_path / name).read_bytes() == (alone / name).read_bytes(), name


def test_finetuning_on_two_processes_follows_that_of_one(photos: Path, alone: Path, tmp_path: Path) -> None:
    """Relative difference of the loss of each of the first twenty steps below 1e-4: a network with layer normalisation."""
    for name in ("one", "two"):
        shutil.copytree(alone, tmp_path / name)  # all but the training is there
    _run(ALONE, str(photos), str(tmp_path / "one"), PIXELS + NETWORK)
    assert in_processes(2, _run, str(photos), str(tmp_path / "two"), PIXELS + NETWORK) == [0, 0]
    for log in ("log.jsonl", "baseline-log.jsonl"):
        one, two = ([line["loss"] for line in _log(tmp_path / place / "04-training" / log)] for place in ("one", "two"))
        assert len(one) == len(two) >= 20
        np.testing.assert_allclose(two[:20], one[:20], rtol=1e-4)


def _log(path: Path) -> list[dict[str, Any]]:
    link = path.with_name("for-reading")
    link.mkdir(exist_ok=True)
    (link / "log.jsonl").write_bytes(path.read_bytes())
    return read_log(link)


def _fit(ranks: Ranks, folder: str) -> None:
    generator = np.random.default_rng(0)
    n, rows = 3500, np.arange(3500)
    labels = generator.integers(0, 4, n)
    features = ArrayFeatures((generator.standard_normal((n, 20)) + labels[:, None]).astype(np.float32))
    probe = fit_probe(features, rows, labels, k=4, l2=0.01, weights=generator.uniform(0, 2, n), ranks=ranks)
    folds = assign_folds(rows, labels, n_folds=5, seed=0)
    settings = ProbeSettings(l2_grid=(1.0, 0.1, 0.01))
    chosen = [
        choose_l2(features, at, labels[at], folds[at], k=4, settings=settings, seed=0, ranks=ranks)
        for at in (rows, rows[:700])
    ]
    losses = [choice.held_out_losses for choice in chosen]
    np.savez(Path(folder) / f"{ranks.world}-{ranks.rank}.npz", weight=probe.weight, bias=probe.bias, losses=losses)


def test_probes_and_strengths_have_the_same_bits_on_one_two_and_five_processes(tmp_path: Path) -> None:
    """Four blocks of rows: of five processes one owns none. The strength of 3,500 rows shares one fold, of 700 deals out five."""
    _fit(ALONE, str(tmp_path))
    one = np.load(tmp_path / "1-0.npz")
    for world in (2, 5):
        assert in_processes(world, _fit, str(tmp_path)) == [0] * world
        for rank in range(world):
            other = np.load(tmp_path / f"{world}-{rank}.npz")
            for name in ("weight", "bias", "losses"):
                np.testing.assert_array_equal(other[name], one[name], err_msg=name)


def test_a_broken_row_of_one_process_is_named_by_all(tmp_path: Path) -> None:
    assert in_processes(2, _fit_broken, str(tmp_path)) == [0, 0]
    said = [(tmp_path / f"said-{rank}").read_text() for rank in (0, 1)]
    assert "row 1500" in said[0] and said == [said[0]] * 2


def _fit_broken(ranks: Ranks, folder: str) -> None:
    values = np.ones((2500, 3), np.float32)
    values[1500] = np.nan  # in the second block, which process 1 owns
    try:
        fit_probe(ArrayFeatures(values), np.arange(2500), np.arange(2500) % 2, k=2, l2=0.1, ranks=ranks)
    except ReweighError as error:
        (Path(folder) / f"said-{ranks.rank}").write_text(str(error))


def _fail_on_one(ranks: Ranks, folder: str) -> None:
    said = []
    try:
        with together(ranks):
            if ranks.rank == 1:
                raise ReweighError("no image 7 on this machine")
    except ReweighError as error:
        said.append(str(error))
    try:
        from_owner(ranks, "a row is not finite" if ranks.rank == 1 else (), 1)
    except ReweighError as error:
        said.append(str(error))
    said.append(agreed(ranks, {"rank": ranks.rank})["rank"])
    (Path(folder) / f"said-{ranks.rank}").write_text(repr(said))


def test_an_error_of_one_process_is_raised_by_all_and_nobody_waits(tmp_path: Path) -> None:
    assert in_processes(2, _fail_on_one, str(tmp_path)) == [0, 0]
    expected = repr(["no image 7 on this machine", "a row is not finite", 0])
    assert [(tmp_path / f"said-{rank}").read_text() for rank in (0, 1)] == [expected, expected]


def _end_in_the_middle(ranks: Ranks) -> None:
    with together(ranks):
        if ranks.rank == 1:
            os._exit(9)


def _miss_the_other(ranks: Ranks) -> None:
    try:
        _end_in_the_middle(ranks)
    except LostProcess:
        os._exit(3)


def test_a_process_that_ends_is_missed_at_once() -> None:
    assert in_processes(2, _miss_the_other) == [3, 9]


def _read_too_few(ranks: Ranks, photos: str, output: str) -> None:
    try:
        _run(ranks, photos, output, [*PIXELS, "images.unreadable_limit=0.01"])
    except ReweighError as error:
        Path(f"{output}-said-{ranks.rank}").write_text(str(error))


def test_too_many_unreadable_images_end_all_processes_with_one_message(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    assert in_processes(2, _read_too_few, str(photos), str(output)) == [0, 0]
    said = [Path(f"{output}-said-{rank}").read_text() for rank in (0, 1)]
    assert "1 of 71 images cannot be read" in said[0] and said[1] == said[0]
    assert not (output / "01-features").exists() and not (output / "run.lock").exists()


def _ask_for_too_much(ranks: Ranks, photos: str, output: str) -> None:
    try:
        _run(ranks, photos, output, [*PIXELS, *NETWORK, "finetune.batch=13"])
    except ReweighError as error:
        assert "multiple of the 2 processes" in str(error)
        return
    raise AssertionError("a batch that two processes cannot share was taken")


def test_a_batch_that_cannot_be_shared_is_an_error_on_all(photos: Path, tmp_path: Path) -> None:
    assert in_processes(2, _ask_for_too_much, str(photos), str(tmp_path / "run")) == [0, 0]


def test_an_error_is_said_by_the_first_process_only(tmp_path: Path) -> None:
    """At the command line, with status 2, and nothing is left behind."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "reweigh", "run", str(tmp_path / "nothing"), "-o", str(tmp_path / "run")]
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    started = [
        subprocess.Popen(
            command, env=os.environ | place | {"RANK": rank, "LOCAL_RANK": rank}, stderr=subprocess.PIPE, text=True
        )
        for rank in ("0", "1")
    ]
    errors = [process.communicate(timeout=60)[1] for process in started]
    assert [process.returncode for process in started] == [2, 2]
    assert errors[0].count("error: ") == 1 and "No data at" in errors[0] and errors[1] == ""
    assert not (tmp_path / "run").exists()


def test_other_commands_refuse_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    found = CliRunner().invoke(app, ["evaluate", "somewhere"])
    assert isinstance(found.exception, SharedError) and "run, check" in str(found.exception)


def test_what_torchrun_says_is_read_and_nonsense_refused() -> None:
    assert ranks_of_environment({}) == ALONE
    assert ranks_of_environment({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}) == Ranks(
        rank=1, world=2, local_rank=1
    )
    with pytest.raises(ReweighError, match="torchrun"):
        ranks_of_environment({"RANK": "2", "WORLD_SIZE": "2", "LOCAL_RANK": "0"})
