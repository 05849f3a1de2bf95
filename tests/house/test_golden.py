"""Nothing public appears or vanishes unnoticed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("golden", Path(__file__).parent / "golden.py")
assert spec and spec.loader
golden = importlib.util.module_from_spec(spec)
spec.loader.exec_module(golden)


@pytest.mark.parametrize("name", golden.GOLDEN)
def test_what_is_public_is_as_noted(name: str) -> None:
    found = golden.GOLDEN[name]()
    noted = (golden.FOLDER / name).read_text()
    assert found == noted, (
        f"{name} differs: if it is meant, note it in CHANGELOG.md and run: python tests/house/golden.py"
    )


def test_every_public_name_can_be_had() -> None:
    import reweigh

    for name in reweigh.__all__:
        assert getattr(reweigh, name) is not None
    assert set(reweigh.__all__) <= set(dir(reweigh))
