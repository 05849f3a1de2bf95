"""Golden files: small texts that show a change of what is public. Made anew with: python tests/house/golden.py"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def public_names() -> str:
    import reweigh

    return "".join(f"{name}\n" for name in sorted(reweigh.__all__))


def settings() -> str:
    from reweigh.runs.recipe import list_settings

    return "".join(f"{path}: {kind} = {default!r}\n" for path, kind, default in list_settings())


def options() -> str:
    from typer.main import get_command

    from reweigh.cli.main import app

    lines = []
    for name, command in sorted(get_command(app).commands.items()):  # type: ignore[attr-defined]
        lines += [f"{name} {' '.join(parameter.opts)}\n" for parameter in command.params]
    return "".join(lines)


def catalog_columns() -> str:
    from reweigh.catalog.schema import IMAGE_SCHEMA

    return "".join(f"{field.name}: {field.type}\n" for field in IMAGE_SCHEMA)


GOLDEN: dict[str, Callable[[], str]] = {
    "public_names.txt": public_names,
    "settings.txt": settings,
    "options.txt": options,
    "catalog_columns.txt": catalog_columns,
}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in GOLDEN.items():
        (FOLDER / name).write_text(text())
