"""The forms that verdicts and models are exported in, one table, and the door to all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reweigh.catalog.tables import is_catalog
from reweigh.errors import ReweighError, look_up
from reweigh.progress import Progress, silent
from reweigh.runs.exports.corrected_folder import export_folder
from reweigh.runs.exports.exported import Exported
from reweigh.runs.exports.for_cleanlab import export_cleanlab
from reweigh.runs.exports.for_fiftyone import export_fiftyone
from reweigh.runs.exports.for_onnx import export_onnx
from reweigh.runs.exports.judged_run import JudgedRun, judged_run
from reweigh.runs.exports.trained_run import TrainedRun, trained_run
from reweigh.runs.verdict_csv import write_verdicts_csv


def export_csv(judged: JudgedRun, output: Path, *, progress: Progress = silent) -> Exported:
    """Write the table for a spreadsheet that `check` leaves in the run, to anywhere."""
    write_verdicts_csv(judged.verdicts, judged.catalog, output, progress=progress)
    return Exported(output=output, lines=(("images", f"{judged.n:,}, those to look at first at the top"),))


@dataclass(frozen=True, kw_only=True)
class Export:
    """A form of export."""

    description: str
    make: Callable[..., Exported]
    """(opened run, output, progress=) -> what to say"""
    opens: Callable[[Path], JudgedRun | TrainedRun] = judged_run
    """What of a run it needs: its verdicts, or its model"""
    ending: str = ""
    """Of the file; none: a folder"""
    can_correct: bool = False
    """Whether it takes `correct`"""


EXPORTS: dict[str, Export] = {
    "csv": Export(description="one table for a spreadsheet", make=export_csv, ending=".csv"),
    "cleanlab": Export(
        description="cleanlab's table of label issues, labels.npy and pred_probs.npy", make=export_cleanlab
    ),
    "fiftyone": Export(description="a data set that FiftyOne imports", make=export_fiftyone),
    "folder": Export(
        description="a corrected copy made of links, wrong labels apart", make=export_folder, can_correct=True
    ),
    "onnx": Export(description="the model as one file", make=export_onnx, opens=trained_run, ending=".onnx"),
}


def export(
    run: Path, to: str, output: Path | None = None, *, correct: bool = False, progress: Progress = silent
) -> Exported:
    """Write the verdicts of a run, or its model, in the form `to`, to `output` (not said: NAME-OF-RUN-to in the current folder).

    `correct` (form folder only): images with a suggested label go to its class. Nothing of the run or the data is changed.
    Raises ReweighError for an unknown form, no run or one that lacks what the form needs, and an output that exists or lies among
    the images.
    """
    form = look_up(to, EXPORTS, kind="export")
    if correct and not form.can_correct:
        takes = ", ".join(name for name, other in EXPORTS.items() if other.can_correct)
        reason = f"; {to} lists the suggested labels anyway" if form.opens is judged_run else ""
        raise ReweighError(f"--correct goes with --to {takes} only{reason}.")
    opened = form.opens(run)
    output = output or Path(f"{run.resolve().name}-{to}" if not form.ending else f"{run.resolve().name}{form.ending}")
    _check_output(opened.data, output, run)
    output.parent.mkdir(parents=True, exist_ok=True)
    make = partial(form.make, correct=True) if correct else form.make
    return make(opened, output, progress=progress)


def _check_output(data: Path, output: Path, run: Path) -> None:
    if output.exists() or output.is_symlink():
        raise ReweighError(f"{output} exists; give another -o, or remove it.")
    place, images = output.resolve(), data.resolve()
    is_among_images = images.is_dir() and not is_catalog(images) and place.is_relative_to(images)
    if is_among_images and not place.is_relative_to(run.resolve()):
        raise ReweighError(
            f"{output} lies inside of {data}, the data itself, and would be read with it; give an -o outside, such as "
            f"{data.parent / output.name}."
        )
