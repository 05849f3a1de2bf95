"""What `device = "auto"` means here."""

from __future__ import annotations

import re

from reweigh.errors import ReweighError


def resolve_device(name: str) -> str:
    """`cpu`, `cuda` or `cuda:N` for a device's name; `auto` is a GPU where torch sees one, else the CPU.

    Raises ReweighError for any other name and for a GPU that is not there.
    """
    if name == "cpu":
        return name
    if name != "auto" and not re.fullmatch(r"cuda(:\d+)?", name):
        raise ReweighError(f"No device named {name!r}; there are: auto, cpu, cuda, cuda:N.")
    import torch

    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda" if found else "cpu"
    number = int(name.partition(":")[2] or 0)
    if number >= found:
        build = "this torch is built without CUDA" if torch.version.cuda is None else f"torch sees {found} GPUs"
        raise ReweighError(
            f"Device {name} is not there: {build}. Set device=cpu, or install the torch of this machine."
        )
    return name
