"""The one door to timm (and through it to torchvision), open even where torchvision's compiled parts do not load."""

from __future__ import annotations

import importlib
import importlib.util
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

OPERATORS = ("nms", "qnms")
"""Operators that torchvision's Python code looks up when it is imported."""
_lock = threading.Lock()
_declared: list[Any] = []
"""Libraries of declared operators: torch forgets the operators when the object goes."""


def timm() -> ModuleType:
    """The module timm, imported on the first call.

    A CPU build of torch beside a CUDA build of torchvision cannot load torchvision's compiled operators, and the import
    stops at the first one missing. Their signatures alone suffice for models and transforms, so they are declared then.
    """
    with _lock:
        if not _declared and _lacks_operators():
            _declare_operators()
        return importlib.import_module("timm")


def timm_part(name: str) -> ModuleType:
    """A submodule that `import timm` leaves out, such as `optim`."""
    timm()
    return importlib.import_module(f"timm.{name}")


def torchvision_part(name: str) -> ModuleType:
    """A submodule of torchvision that needs none of its compiled operators, such as `transforms`."""
    timm()
    return importlib.import_module(f"torchvision.{name}")


def _lacks_operators() -> bool:
    """Whether torchvision is for another torch. Decided before its import: a failed one leaves it half loaded."""
    import torch

    if torch.version.cuda is not None or torch.ops.torchvision.__dict__.get("nms") is not None:
        return False
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        return False
    for library in sorted(Path(found.origin).parent.glob("_C*")):
        try:
            torch.ops.load_library(str(library))
        except OSError:  # links CUDA libraries that are not here
            continue
    return not hasattr(torch.ops.torchvision, OPERATORS[0])


def _declare_operators() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in OPERATORS:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
