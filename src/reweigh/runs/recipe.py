"""A recipe: the one typed record of all settings of a run, read from TOML, changed by `--set a.b=c`, written back resolved."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import tomli_w

from reweigh.errors import ReweighError, nearest
from reweigh.evaluation.settings import EvaluationSettings
from reweigh.evidence.settings import EvidenceSettings
from reweigh.features.settings import BackboneSettings, FeatureSettings
from reweigh.images.settings import ImageSettings
from reweigh.probes.settings import ProbeSettings
from reweigh.report.settings import ReportSettings
from reweigh.targets.settings import TargetSettings
from reweigh.training.hidden_settings import HiddenLayerSettings
from reweigh.training.settings import FinetuneSettings, TrainingSettings
from reweigh.weighers.settings import AUTO, WeightSettings, weigher_named


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All settings of a run. `auto`, and 0 where its sentence says so, are resolved once and written into the run."""

    seed: int = 0
    """Seed of every random choice of the run, 0 or more."""
    device: str = "auto"
    """`auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:N`."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the backbone; `auto` measures bfloat16 for a moment and takes it where it is clearly faster."""
    threads: int = 0
    """CPU threads; 0 takes OMP_NUM_THREADS, or all cores that this process may use."""
    backbone: BackboneSettings = field(default_factory=BackboneSettings)
    """The network that turns images into features."""
    images: ImageSettings = field(default_factory=ImageSettings)
    """How images are read, and how many may be unreadable."""
    features: FeatureSettings = field(default_factory=FeatureSettings)
    """How features are extracted and stored."""
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
    """What is gathered about each label."""
    probe: ProbeSettings = field(default_factory=ProbeSettings)
    """The linear head on stored features."""
    weights: WeightSettings = field(default_factory=WeightSettings)
    """From evidence to one weight an image."""
    targets: TargetSettings = field(default_factory=TargetSettings)
    """What an image is taught, where it is not just its label."""
    training: TrainingSettings = field(default_factory=TrainingSettings)
    """How the classifier is made."""
    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)
    """How a network is trained on the images, in mode finetune."""
    hidden_layer: HiddenLayerSettings = field(default_factory=HiddenLayerSettings)
    """A hidden layer between features and the last layer, in mode probe."""
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    """What is measured, and on which images."""
    report: ReportSettings = field(default_factory=ReportSettings)
    """What the page shows."""
    rounds: tuple[dict[str, Any], ...] = ()
    """`[[rounds]]`: changes of these settings, one table a round, done one after the other; the last one's model counts."""
    models: tuple[dict[str, Any], ...] = ()
    """`[[models]]`: changes of these settings, one table for each further model that is trained on the same weights."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ReweighError(f"seed must be 0 or more, found {self.seed}.")
        if self.threads < 0:
            raise ReweighError(f"threads must be 0 (chosen) or more, found {self.threads}.")
        if self.hidden_layer.width:
            self._check_hidden_layer()
        self._check_targets()

    def _check_hidden_layer(self) -> None:
        if self.training.mode == "finetune":
            raise ReweighError(
                "hidden_layer is a part of the probe on stored features; a finetuned network has layers enough. Set hidden_layer.width = 0, or "
                "training.mode = probe."
            )
        own, plain = {one.name for one in fields(HiddenLayerSettings)}, FinetuneSettings()
        said = [one.name for one in fields(plain) if getattr(self.finetune, one.name) != getattr(plain, one.name)]
        if said and self.evidence.cross_fit == "none":
            mend = f"set hidden_layer.{said[0]}" if said[0] in own else "a hidden layer has no such setting"
            raise ReweighError(
                f"finetune.{said[0]} is read where a network is trained on images, not by a hidden layer: {mend}."
            )

    def _check_targets(self) -> None:
        """Refuses targets that these weights cannot give; said before any work, not when their turn comes."""
        targets, names = self.targets, [name for name in self.weights.use if name != AUTO]
        if targets.policy == "keep":
            return
        kinds = {name: weigher_named(name, self.weights).kind for name in names}
        has_weights, has_credibility = (
            bool(self.weights.use),
            AUTO in self.weights.use or "credibility" in kinds.values(),
        )
        multipliers = [name for name, kind in kinds.items() if kind == "multiplier"]
        if targets.policy == "per_row" and (multipliers or not has_credibility):
            found = (
                f"{', '.join(multipliers)} make{'s' if len(multipliers) == 1 else ''} a weight of any size instead"
                if multipliers
                else "this recipe has no weigher that gives one"
            )
            raise ReweighError(
                f'targets.policy = "per_row" takes the label\'s share from its credibility, and {found}; set weights.use, or '
                'targets.policy = "bootstrap".'
            )
        if targets.source == "weighted" and not has_weights:
            raise ReweighError(
                'targets.source = "weighted" needs weights, and this recipe has none; set weights.use, or targets.source = "held_out".'
            )
        if targets.weights != "full" and not has_weights:
            raise ReweighError(
                f'targets.weights = "{targets.weights}" says which weights are left, and this recipe has none.'
            )
        if targets.source == "current" and self.training.mode == "finetune":
            raise ReweighError(
                'targets.source = "current" refits a probe; a network\'s own predictions are taken step by step by '
                'finetune.loss = "bootstrapping".'
            )


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(
        p.name.removesuffix(".toml") for p in resources.files("reweigh.recipes").iterdir() if p.name.endswith(".toml")
    )


def read_recipe(name: str, overrides: Sequence[str] = (), models: Sequence[str] = ()) -> Recipe:
    """The recipe of this name, or of this TOML file, with `a.b=c` overrides applied and further models added.

    models: each the changes of one further model, `backbone.name=resnet50 seed=1`; one that the recipe has is not added again.
    Raises ReweighError for a name that is neither, broken TOML (with its line), an unknown or mistyped key (with its
    full path and the nearest names) and a value out of range.
    """
    return _changed(_parse(_recipe_text(name), where=name), overrides, models)


def changed_recipe(recipe: Recipe, overrides: Sequence[str] = (), models: Sequence[str] = ()) -> Recipe:
    """The recipe with `a.b=c` overrides applied and further models added; same errors as `read_recipe`."""
    return _changed(asdict(recipe), overrides, models)


def _changed(values: dict[str, Any], overrides: Sequence[str], models: Sequence[str]) -> Recipe:
    for override in overrides:
        _override(values, override)
    if models:
        there_are = list(values.get("models", ()))
        for one in map(_changes_of_model, models):
            there_are += [] if one in there_are else [one]
        values["models"] = there_are
    return recipe_from(values)


def _changes_of_model(text: str) -> dict[str, Any]:
    try:
        words = shlex.split(text)
    except ValueError as cause:
        raise ReweighError(f"--model {text}: {cause}.") from cause
    if not words or not all("=" in word for word in words):
        raise ReweighError(
            "--model takes KEY=VALUE, several with blanks between and none within a value, lists as a,b: "
            f"--model 'backbone.name=resnet50 seed=1'; found {text!r}."
        )
    changes: dict[str, Any] = {}
    for word in words:
        _override(changes, word, option="--model")
    return changes


def recipe_from(values: Mapping[str, Any]) -> Recipe:
    """The typed record of nested settings as TOML holds them; same errors as `read_recipe`."""
    recipe: Recipe = _build(Recipe, values, path="")
    for name in ("rounds", "models"):
        for number, changes in enumerate(getattr(recipe, name)):
            try:
                if name == "models":
                    _check_model(changes)
                overridden(recipe, changes)
            except ReweighError as cause:
                raise ReweighError(f"{name}, number {number + 1}: {cause}") from cause
    return recipe


def _check_model(changes: Mapping[str, Any]) -> None:
    for name in ("evidence", "weights", "targets"):
        if name in changes:
            raise ReweighError(
                f"{name} cannot be changed here: a further model is trained on the weights and targets of the last round. Set {name} for the run, "
                "in a round, or in a run of its own."
            )


def overridden(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe of one round or model: the same with these nested settings changed, and no rounds or models of its own."""
    for name in ("rounds", "models", "device", "threads", "images", "evaluation", "report"):
        if name in changes:
            raise ReweighError(f"{name} is the same for all rounds and models of a run; set it once.")
    values = asdict(replace(recipe, rounds=(), models=()))
    return _build(Recipe, merged(values, changes), path="")


def rounds_of(recipe: Recipe) -> list[Recipe]:
    """The recipe of each round in order; the recipe itself where it names none."""
    return [overridden(recipe, changes) for changes in recipe.rounds] or [recipe]


def last_round(recipe: Recipe) -> Recipe:
    """The recipe whose results count, and whose weights further models take."""
    return overridden(recipe, recipe.rounds[-1]) if recipe.rounds else recipe


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with these changed."""
    result = dict(values)
    for key, change in changes.items():
        is_group = isinstance(change, Mapping) and isinstance(values.get(key), Mapping)
        result[key] = merged(values[key], change) if is_group else change
    return result


def write_recipe(recipe: Recipe) -> str:
    """The recipe as TOML, every setting written out."""
    return tomli_w.dumps(asdict(recipe))


def list_settings(record: Any = Recipe, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """(full path, type, default) of every setting, in the order of the records."""
    hints = get_type_hints(record)
    defaults = record()
    for item in fields(record):
        kind = hints[item.name]
        if is_dataclass(kind):
            yield from list_settings(kind, f"{path}{item.name}.")
        else:
            name = kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind)
            yield f"{path}{item.name}", name.replace("typing.", ""), getattr(defaults, item.name)


def _recipe_text(name: str) -> str:
    path = Path(name)
    if path.suffix == ".toml" or "/" in name:
        if not path.is_file():
            raise ReweighError(
                f"No recipe file {name}: nothing is there. Recipes by name: {', '.join(recipe_names())}."
            )
        return path.read_text(encoding="utf-8")
    if name not in recipe_names():
        there_are = ", ".join(recipe_names())
        raise ReweighError(
            f"No recipe named {name!r}; there are: {there_are}.{nearest(name, recipe_names())} A file ends in .toml."
        )
    return (resources.files("reweigh.recipes") / f"{name}.toml").read_text(encoding="utf-8")


def _parse(text: str, *, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as cause:
        raise ReweighError(f"{where} is not valid TOML: {cause}.") from cause


def _override(values: dict[str, Any], override: str, *, option: str = "--set") -> None:
    """Write one `a.b=c` into the nested values."""
    path, equals, text = override.partition("=")
    keys = [key.strip() for key in path.split(".")]
    if not equals or not all(keys):
        raise ReweighError(f"{option} takes KEY=VALUE, such as backbone.name=resnet50; found {override!r}.")
    *outer, last = keys
    inner = values
    for key in outer:
        inner = inner.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ReweighError(f"{option} {override}: {key!r} is a setting with a value, not a group of settings.")
    inner[last] = _value(keys, text.strip())


def _value(keys: Sequence[str], text: str) -> Any:
    """The text as the setting's own type wants it: as it stands for a string, else as TOML reads it; a list may lack its brackets."""
    kind = _type_of(keys)
    if kind is str:
        return text.strip("\"'") if text[:1] in "\"'" else text
    if get_origin(kind) is tuple and not text.startswith("["):
        parts = [part.strip() for part in text.split(",")] if text else []
        return parts if str in get_args(kind) else [as_toml(part) for part in parts]
    return as_toml(text)


def as_toml(text: str) -> Any:
    """The value that a text is in TOML, .5 for 0.5 as well; the text itself where it is none."""
    try:
        return tomllib.loads(f"value = {f'0{text}' if text.startswith('.') else text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _type_of(keys: Sequence[str]) -> Any:
    """The type of the setting at this path, or None where there is no such setting."""
    kind: Any = Recipe
    for key in keys:
        kind = get_type_hints(kind).get(key) if is_dataclass(kind) else None
    return kind


def _build(record: Any, values: Any, *, path: str) -> Any:
    """One record from nested values, walking the fields ourselves: msgspec passes over unknown keys of dataclasses."""
    if not isinstance(values, Mapping):
        raise ReweighError(
            f"{path.rstrip('.')} is a group of settings, such as {path}{fields(record)[0].name}; found {values!r}."
        )
    hints = get_type_hints(record)
    for key in values:
        if key not in hints:
            raise ReweighError(f"No setting {path}{key}.{_nearest_path(path, key)}")
    made = {}
    for key, value in values.items():
        kind = hints[key]
        made[key] = (
            _build(kind, value, path=f"{path}{key}.") if is_dataclass(kind) else _typed(value, kind, f"{path}{key}")
        )
    return record(**made)


def _nearest_path(path: str, key: str) -> str:
    """The nearest names: beside the key first, groups included, then the same name anywhere, then any full path."""
    everywhere = [name for name, _, _ in list_settings()]
    beside = list(
        dict.fromkeys(path + name.removeprefix(path).partition(".")[0] for name in everywhere if name.startswith(path))
    )
    elsewhere = [name for name in everywhere if name.rsplit(".", 1)[-1] == key]
    if not nearest(f"{path}{key}", beside) and elsewhere:
        return f" Did you mean {' or '.join(map(repr, elsewhere[:2]))}?"
    said = nearest(f"{path}{key}", beside) or nearest(f"{path}{key}", everywhere)
    return said or f" There are: {', '.join(beside)}."


def _typed(value: Any, kind: Any, path: str) -> Any:
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as cause:
        reason = str(cause).split(" - at ")[0]
        raise ReweighError(f"{path} = {value!r} does not fit: {reason}.") from cause
