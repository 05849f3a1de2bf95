"""Learn image classifiers from large, noisily labelled web data by re-weighting everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reweigh.errors import ReweighError, ReweighWarning

if TYPE_CHECKING:
    from reweigh.catalog.tables import Catalog as Catalog
    from reweigh.catalog.tables import open_catalog as open_catalog
    from reweigh.evidence.held_out import HeldOut as HeldOut
    from reweigh.evidence.held_out import make_held_out as make_held_out
    from reweigh.evidence.settings import EvidenceSettings as EvidenceSettings
    from reweigh.features.matrix import ArrayFeatures as ArrayFeatures
    from reweigh.features.store import open_features as open_features
    from reweigh.layouts.table_of_layouts import index as index
    from reweigh.probes.linear import fit_probe as fit_probe
    from reweigh.runs.predicted import predict_images as predict_images
    from reweigh.runs.recipe import Recipe as Recipe
    from reweigh.runs.recipe import read_recipe as read_recipe
    from reweigh.runs.run import run as run
    from reweigh.runs.source import Source as Source
    from reweigh.training.sampler import WeightedSampler as WeightedSampler
    from reweigh.verdicts.arrays import label_verdicts as label_verdicts
    from reweigh.verdicts.record import LabelVerdicts as LabelVerdicts
    from reweigh.weighers.arrays import weigh as weigh
    from reweigh.weighers.settings import WeightSettings as WeightSettings
    from reweigh.weighers.weighing import Weights as Weights

__version__ = "0.1.0"

_PLACES = {
    "ArrayFeatures": "reweigh.features.matrix",
    "Catalog": "reweigh.catalog.tables",
    "EvidenceSettings": "reweigh.evidence.settings",
    "HeldOut": "reweigh.evidence.held_out",
    "LabelVerdicts": "reweigh.verdicts.record",
    "Recipe": "reweigh.runs.recipe",
    "Source": "reweigh.runs.source",
    "WeightSettings": "reweigh.weighers.settings",
    "WeightedSampler": "reweigh.training.sampler",
    "Weights": "reweigh.weighers.weighing",
    "fit_probe": "reweigh.probes.linear",
    "index": "reweigh.layouts.table_of_layouts",
    "label_verdicts": "reweigh.verdicts.arrays",
    "make_held_out": "reweigh.evidence.held_out",
    "open_catalog": "reweigh.catalog.tables",
    "open_features": "reweigh.features.store",
    "predict_images": "reweigh.runs.predicted",
    "read_recipe": "reweigh.runs.recipe",
    "run": "reweigh.runs.run",
    "weigh": "reweigh.weighers.arrays",
}

__all__ = [*_PLACES, "ReweighError", "ReweighWarning", "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: `import reweigh` itself loads nothing heavy."""
    if name not in _PLACES:
        raise AttributeError(f"module 'reweigh' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
