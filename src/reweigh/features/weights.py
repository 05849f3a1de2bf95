"""Where a backbone's weights are, answered at once: in a folder, in a cache, on the network, or out of reach."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reweigh.errors import ReweighError

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin", "open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""Names that timm looks for in a repository of the hub, in its order."""
PATIENCE = 4.0
"""Seconds that the hub may take to answer; its own client would retry for most of a minute."""


def cached_weights(config: Mapping[str, Any]) -> Path | None:
    """The file of weights that timm's pretrained configuration names, where it is already on this machine.

    config: keys `file`, `hf_hub_id`, `hf_hub_filename` and `url` as timm has them, each possibly None or absent.
    """
    if config.get("file"):
        path = Path(config["file"])
        return path if path.exists() else None
    if config.get("hf_hub_id"):
        names = [config["hf_hub_filename"]] if config.get("hf_hub_filename") else list(WEIGHT_FILES)
        return next((found for found in (cached_hub_file(config["hf_hub_id"], name) for name in names) if found), None)
    return _cached_download(str(config["url"])) if config.get("url") else None


def cached_hub_file(repository: str, name: str) -> Path | None:
    """A file of a hub repository (OWNER/MODEL or OWNER/MODEL@REVISION) from the local cache, or None."""
    from huggingface_hub import constants, try_to_load_from_cache

    repository, _, revision = repository.partition("@")
    cache = constants.HF_HUB_CACHE
    found = try_to_load_from_cache(repository, name, revision=revision or None, cache_dir=cache)
    return Path(found) if isinstance(found, str) else None


def check_within_reach(name: str, config: Mapping[str, Any], *, key: str) -> None:
    """Return where weights that are not cached can be fetched; else raise ReweighError in one line, within seconds.

    key: the setting that names them, for the error.
    """
    what_to_do = f"Set {key}=local-dir:FOLDER (config.json and model.safetensors), or run once with network."
    repository, url = config.get("hf_hub_id"), config.get("url")
    if not repository and not url:
        raise ReweighError(
            f"No pretrained weights for backbone {name!r}: timm has the architecture alone. {what_to_do}"
        )
    from huggingface_hub import constants, get_token

    if repository and constants.HF_HUB_OFFLINE:
        raise ReweighError(f"{_lacking(name)} and HF_HUB_OFFLINE is set. {what_to_do}")
    address = f"{constants.ENDPOINT}/api/models/{str(repository).partition('@')[0]}" if repository else url
    answer = _answer(str(address), get_token() if repository else None)
    if answer is not None:
        raise ReweighError(f"{_lacking(name)} and {answer}. {what_to_do}")


def _lacking(name: str) -> str:
    return f"The weights of backbone {name!r} are not on this machine"


def _answer(address: str, token: str | None) -> str | None:
    """None where the address answers; else what is wrong, in a few words. Never takes longer than PATIENCE."""
    said: list[str | None] = []
    # A thread, because looking up a host's name obeys no timeout.
    asking = threading.Thread(target=lambda: said.append(_ask(address, token)), daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return said[0] if said else f"{_host(address)} did not answer within {PATIENCE:g} seconds"


def _ask(address: str, token: str | None) -> str | None:
    headers = {"User-Agent": "reweigh"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD", headers=headers), timeout=PATIENCE):
            return None
    except urllib.error.HTTPError as cause:
        return f"{_host(address)} answers {cause.code} ({cause.reason})"
    except (OSError, ValueError) as cause:
        return f"{_host(address)} cannot be reached ({getattr(cause, 'reason', cause)})"


def _host(address: str) -> str:
    return address.partition("://")[2].partition("/")[0] or address


def _cached_download(url: str) -> Path | None:
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    return path if path.is_file() else None
