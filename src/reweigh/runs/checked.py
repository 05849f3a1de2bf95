"""What `check` leaves that `run` has from training: figures of the held-out predictions, and the verdicts at the top of the run."""

from __future__ import annotations

import filecmp
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reweigh.catalog.tables import Catalog
from reweigh.features.store import Features
from reweigh.progress import Progress
from reweigh.runs.folder import was_checked
from reweigh.runs.gathering import Gathered, stored_piece
from reweigh.runs.measured import measure_held_out
from reweigh.runs.stages import Completed, Stage, complete
from reweigh.runs.verdict_csv import write_verdicts_csv
from reweigh.runs.weights import measured_weights
from reweigh.runs.work import STEP_VERSION, Work
from reweigh.whole_files import write_bytes, write_json

VERDICTS, VERDICT_FACTS, VERDICT_CSV = "verdicts.parquet", "verdicts.json", "verdicts.csv"
LISTS = ("classes", "confusions", "notes", "fit")
"""Of verdicts.json, what metrics.json does not repeat."""


def is_trained(run: Path) -> bool:
    """Whether the run holds a model and the figures of that model, which `check` leaves as they are."""
    return (run / "model" / "config.json").is_file() and (run / "metrics.json").is_file() and not was_checked(run)


def checked_stage(work: Work, features: Features, gathered: Gathered, weighed: Completed | None) -> Completed:
    """metrics.json of a run without a model: results only, so that equal checks give equal bytes."""
    recipe = work.recipe

    def make(target: Path, workspace: Path) -> list[str]:
        metrics = measure_held_out(
            work.catalog, features, work.splits, stored_piece(gathered, "held_out"), settings=recipe.evaluation, seed=recipe.seed
        )  # fmt: skip
        if weighed is not None:
            metrics["weights"] = measured_weights(work, gathered, weighed)
        write_json(target / "metrics.json", metrics)
        return []

    reads = {
        "version": STEP_VERSION, "evidence": gathered.hashes["held_out"], "weights": None if weighed is None else weighed.hash,
        "training": None, "evaluation": asdict(recipe.evaluation), "seed": recipe.seed,
    }  # fmt: skip
    return complete(
        Stage(name="05-metrics", reads=reads, make=make), work.place, earlier=work.earlier, ranks=work.ranks
    )


def publish_verdicts(run: Path, judged: Completed, catalog: Catalog, *, progress: Progress) -> None:
    """The verdicts at the top of the run, as they are and as a table for a spreadsheet.

    The table comes first: where verdicts.parquet is there already, so is its table, and a person may have edited it.
    """
    made, published = judged.folder / VERDICTS, run / VERDICTS
    is_there = (run / VERDICT_CSV).is_file() and published.is_file() and filecmp.cmp(made, published, shallow=False)
    if not is_there:
        write_verdicts_csv(made, catalog, run / VERDICT_CSV, progress=progress)
        shutil.copyfile(made, published.with_name(f"{VERDICTS}.partial"))
        published.with_name(f"{VERDICTS}.partial").replace(published)
    write_bytes(run / VERDICT_FACTS, (judged.folder / VERDICT_FACTS).read_bytes())


def verdict_figures(facts: dict[str, Any]) -> dict[str, Any]:
    """The numbers of verdicts.json that metrics.json repeats: those of all labels together."""
    return {name: value for name, value in facts.items() if name not in LISTS}
