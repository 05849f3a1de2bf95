"""Settings: strict, with full paths and nearest names."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reweigh.errors import ReweighError
from reweigh.runs.recipe import Recipe, list_settings, read_recipe, recipe_from, recipe_names, write_recipe


def test_the_recipes_of_the_package_are_read() -> None:
    assert {"baseline", "demo"} <= set(recipe_names())
    for name in recipe_names():
        read_recipe(name)


def test_what_is_written_is_read_back_the_same() -> None:
    recipe = read_recipe("demo", ["seed=7", "evidence.n_folds=3"])
    assert recipe_from(tomllib.loads(write_recipe(recipe))) == recipe


def test_an_override_has_the_type_of_its_setting() -> None:
    recipe = read_recipe("baseline", ["backbone.name=123", "seed=3", "backbone.name = local-dir:/a=b"])
    assert recipe.backbone.name == "local-dir:/a=b"
    assert recipe.seed == 3
    assert read_recipe("baseline", ["backbone.name=123"]).backbone.name == "123"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("backbone.nam=x", r"No setting backbone\.nam\. Did you mean 'backbone\.name'"),
        ("evidnce.n_folds=3", r"No setting evidnce\. Did you mean 'evidence"),
        ("n_folds=3", r"No setting n_folds\. Did you mean .*evidence\.n_folds"),
        ("seed=many", r"seed = 'many' does not fit: Expected `int`, got `str`"),
        ("seed=-1", r"seed must be 0 or more, found -1"),
        ("precision=half", r"precision = 'half' does not fit"),
        ("training.mode=finetun", r"training\.mode = 'finetun' does not fit"),
        ("backbone=resnet50", r"backbone is a group of settings, such as backbone\.name"),
        ("seed", r"--set takes KEY=VALUE"),
        ("seed.deep=1", r"No setting|group|does not fit"),
    ],
)
def test_a_wrong_override_is_one_line_with_its_path(override: str, said: str) -> None:
    with pytest.raises(ReweighError, match=said) as caught:
        read_recipe("baseline", [override])
    assert "\n" not in str(caught.value)


def test_a_recipe_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ReweighError, match=r"No recipe named 'baselin'; there are: .*Did you mean 'baseline'"):
        read_recipe("baselin")
    with pytest.raises(ReweighError, match=r"No recipe file missing\.toml"):
        read_recipe("missing.toml")


def test_broken_toml_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text("seed = 1\nbackbone = = 2\n")
    with pytest.raises(ReweighError, match=r"r\.toml is not valid TOML: .*line 2"):
        read_recipe(str(tmp_path / "r.toml"))


def test_every_setting_says_what_it_is() -> None:
    """Each field is followed by its sentence, as help and docs are made of these."""
    import ast
    import inspect
    from dataclasses import fields, is_dataclass
    from typing import get_type_hints

    def check(record: type) -> None:
        body = ast.parse(inspect.getsource(record)).body[0].body  # type: ignore[attr-defined]
        said = {
            a.target.id  # type: ignore[attr-defined]
            for a, b in itertools.pairwise(body)
            if isinstance(a, ast.AnnAssign) and isinstance(b, ast.Expr) and isinstance(b.value, ast.Constant)
        }
        missing = {f.name for f in fields(record)} - said
        assert not missing, f"{record.__name__}: no sentence under {missing}"
        for kind in get_type_hints(record).values():
            if is_dataclass(kind):
                check(kind)

    check(Recipe)


def test_every_default_is_valid_and_listed_once() -> None:
    paths = [path for path, _, _ in list_settings()]
    assert len(paths) == len(set(paths))
    assert recipe_from({}) == Recipe()


@given(st.text(max_size=40), st.text(max_size=20))
def test_no_override_ends_in_anything_but_a_recipe_or_one_line(key: str, value: str) -> None:
    try:
        read_recipe("baseline", [f"{key}={value}"])
    except ReweighError as error:
        assert str(error)


def test_a_list_may_lack_its_brackets() -> None:
    changes = ["weights.use=clusters, class_balance", "probe.l2_grid=1,0.1", "weights.leave_out="]
    made = read_recipe("baseline", changes)
    assert (made.weights.use, made.probe.l2_grid, made.weights.leave_out) == (
        ("clusters", "class_balance"),
        (1.0, 0.1),
        (),
    )
    assert read_recipe("baseline", ["weights.use=auto"]).weights.use == ("auto",)
    assert read_recipe("baseline", ["weights.use=['auto', 'clusters']"]).weights.use == ("auto", "clusters")
    with pytest.raises(ReweighError, match=r"probe\.l2_grid = \[1, 'many'\] does not fit"):
        read_recipe("baseline", ["probe.l2_grid=1,many"])


@pytest.mark.parametrize("text", ["", "  ", "training.hidden=['a', 'b']"])
def test_a_further_model_needs_settings_without_blanks_in_their_values(text: str) -> None:
    with pytest.raises(ReweighError, match=r"--model takes KEY=VALUE, several with blanks between and none within"):
        read_recipe("auto", (), [text])
