"""The model card: README.md of a model folder, what a stranger needs to know of it before using it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from reweigh.errors import ReweighError
from reweigh.whole_files import read_json, write_bytes

CARD = "README.md"
SOME = 20
"""Class names that a card lists."""
LONGEST = 80
"""Characters of a name; the whole one is in config.json."""


class CardFacts(TypedDict, total=False):
    """What the folder's own config.json does not say. What is left out is not mentioned."""

    data: str
    """Name of the data; of a path its last part alone is kept"""
    images: int
    """Trained on"""
    training: str
    """What was fitted, such as "the last layer alone" """
    is_pretrained: bool
    """Whether training began with the weights that the network's name stands for; not said: it did"""
    weighing: str
    """How much each label counted"""
    figures: Sequence[tuple[str, str]]
    """(what was measured, value), on test images; reweigh's own words, as are `training` and `weighing`"""


def write_card(folder: Path, facts: CardFacts | None = None) -> None:
    """Write README.md of a model folder from its config.json and these facts. Raises ReweighError where it holds no model."""
    if not (folder / "config.json").is_file():
        raise ReweighError(f"No model in {folder}: it holds no config.json.")
    write_bytes(folder / CARD, card_text(read_json(folder / "config.json"), facts or {}).encode())


def card_text(config: Mapping[str, Any], facts: CardFacts) -> str:
    """The card of a model with this config.json, as Markdown; names from data and configuration stand as code, never as markup."""
    names = config["label_names"]
    parts = [HEADER, f"# Image classifier, {len(names):,} classes\n", _classes(names), _facts(config, facts)]
    if facts.get("figures"):
        parts.append("## Figures\n\n" + "\n".join(f"- {name}: {value}" for name, value in facts["figures"]) + "\n")
    parts.append(f"## Use\n\n{FOLDED_USE if config['reweigh']['head'] == 'timm' else SEPARATE_USE}")
    parts.append(LIMITS)
    return "\n".join(parts)


def code(text: str) -> str:
    """Foreign text on one line as Markdown's code: no character of it is markup, moves the line or hides."""
    plain = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in str(text))
    plain = " ".join(plain.split())
    plain = f"{plain[: LONGEST - 3]}..." if len(plain) > LONGEST else plain
    fence = "`" * (_longest_run(plain) + 1)
    pad = " " if not plain or "`" in (plain[0], plain[-1]) else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def _longest_run(text: str) -> int:
    """Length of the longest run of backticks: a fence must be longer."""
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest


def _classes(names: Sequence[str]) -> str:
    listed = ", ".join(code(name) for name in names[:SOME])
    rest = f" and {len(names) - SOME:,} more" if len(names) > SOME else ""
    return f"{listed}{rest}; in the order of the logits: `label_names` in config.json.\n"


def _facts(config: Mapping[str, Any], facts: CardFacts) -> str:
    lines = [("Network", _network(config, facts)), ("Training", facts.get("training"))]
    if "data" in facts:
        count = f", {facts['images']:,} images" if "images" in facts else ""
        lines.append(("Data", code(facts["data"].replace("\\", "/").rstrip("/").rpartition("/")[2]) + count))
    lines.append(("Labels", facts.get("weighing")))
    return "".join(f"- **{name}**: {value}\n" for name, value in lines if value)


def _network(config: Mapping[str, Any], facts: CardFacts) -> str:
    own = config["reweigh"]
    backbone, size = own["backbone"], own["backbone"]["input_size"]
    if backbone["name"] == "pixels":
        return f"none: the pixels of the image, resized to {size} x {size}"
    architecture = config["architecture"]
    name = code(backbone["name"]) + (f" ({code(architecture)})" if architecture not in backbone["name"] else "")
    said = f"{name}, sees {size} x {size} pixels"
    if not facts.get("is_pretrained", True):
        return f"{said}; trained from random weights"
    licence = config.get("pretrained_cfg", {}).get("license")
    return said + (
        f"; licence of the weights it began with, as timm says: {code(licence)}"
        if licence
        else "; timm knows no licence of the weights it began with"
    )


HEADER = """---
library_name: timm
tags: [image-classification, timm]
---
"""

FOLDED_USE = """```python
import timm, torch
from PIL import Image

model = timm.create_model("local-dir:FOLDER", pretrained=True).eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
with torch.inference_mode():
    probabilities = model(transform(Image.open("IMAGE").convert("RGB"))[None]).softmax(-1)[0]
print(model.pretrained_cfg["label_names"][int(probabilities.argmax())], float(probabilities.max()))
```
"""

SEPARATE_USE = """What classifies lies beside the network: `reweigh predict` reads this folder within its run, and Python does so with:

```python
from pathlib import Path
from reweigh.features.model_folder import load_model, logits

model = load_model(Path("FOLDER"), device="cpu", precision="float32")
features = model.backbone.forward(images)  # images: uint8 (b, 3, s, s), cut as model.backbone.view says
class_logits = logits(model, features.numpy())  # (b, classes), in the order of model.class_names
```
"""

LIMITS = """## Limits

- It knows these classes alone: an image that shows none of them gets one all the same, often with a high probability.
- It learnt from labels of which some may be wrong, and weights lessen that, they do not undo it. Where the same errors run through
  many images of a class, they are learnt.
- *Agreement* counts answers equal to the label that came with a test image, which may be wrong itself; *accuracy* counts those
  equal to a label that is known to be right. Where only agreement is given, nobody has looked.
- Probabilities and figures hold for images like those of the data. Measure anew on images of your own.
"""
