"""Trees of classes from files: pairs of child and parent, checked against the classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reweigh.catalog.findings import Findings
from reweigh.errors import ReweighError, nearest
from reweigh.layouts.csv_rows import read_csv_rows
from reweigh.layouts.json_files import whole_json

Pair = tuple[str, str]
"""Child and parent; leaves are class names."""
JOIN = " / "
"""Between the levels of an inner node's name: nodes of one name in two branches are two."""
ID_KEYS = ("class_id", "class", "id", "product_id", "leaf")


def read_hierarchy(path: Path, names: Sequence[str], findings: Findings) -> list[Pair]:
    """Pairs of a CSV with the columns child and parent, or of a JSON tree (`tree_pairs`); classes without a parent are counted.

    Raises ReweighError for a file of another form, a child with two parents, a leaf that is no class, and a circle.
    """
    if not path.is_file():
        raise ReweighError(
            f"No hierarchy at {path}: looked for a CSV with the columns child and parent, or a JSON tree."
        )
    if path.suffix == ".csv":
        return _checked(_csv_pairs(path), names, findings, path)
    return _checked(tree_pairs(whole_json(path, object), names, path), names, findings, path)


def tree_pairs(tree: Any, names: Sequence[str], path: Path) -> Iterator[Pair]:
    """Pairs of a tree in JSON, in any of three forms.

    `{class: [top, ..., lowest]}` (or one text); `[{"class_id": class, "level1": top, ...}]`, levels in the order of the keys; or nested
    `{top: {lower: [class, ...]}}`. A class is its name or its number.
    """
    class_of = {str(label): name for label, name in enumerate(names)} | {name: name for name in names}
    if isinstance(tree, Mapping) and tree and all(key in class_of for key in tree):
        for key, levels in tree.items():
            yield from _chain(class_of[key], levels if isinstance(levels, list) else [levels], path)
    elif isinstance(tree, list) and tree and all(isinstance(row, Mapping) for row in tree):
        for row in tree:
            own = next((key for key in ID_KEYS if key in row), "")
            if str(row.get(own)) not in class_of:
                raise ReweighError(f"{path}: {str(row)[:80]} names no class; looked for one of {', '.join(ID_KEYS)}.")
            yield from _chain(class_of[str(row[own])], [value for key, value in row.items() if key != own], path)
    elif isinstance(tree, Mapping) and tree:
        yield from _nested(tree, class_of, path)
    else:
        raise ReweighError(f"{path} is no tree of classes: found {str(tree)[:60]!r}.")


def _nested(tree: Mapping[str, Any], class_of: Mapping[str, str], path: Path) -> Iterator[Pair]:
    waiting: list[tuple[Any, str]] = [(tree, "")]
    while waiting:  # not recursive: a file may be deep
        node, above = waiting.pop()
        if isinstance(node, Mapping):
            for key, below in node.items():
                name = class_of.get(key, key) if not below else f"{above}{JOIN}{key}" if above else key
                if above:
                    yield name, above
                waiting.append((below or [], name))
        elif isinstance(node, list):
            waiting += [(item, above) for item in node]
        elif str(node) in class_of:
            yield class_of[str(node)], above
        else:
            raise ReweighError(f"{path}: {str(node)[:60]!r} is no class.{nearest(str(node), list(class_of))}")


def _chain(leaf: str, levels: Sequence[Any], path: Path) -> Iterator[Pair]:
    """leaf -> the lowest level -> ... -> the top one."""
    if not levels or not all(isinstance(level, str | int) and str(level).strip() for level in levels):
        raise ReweighError(f"{path}: the levels of class {leaf!r} are {str(levels)[:80]}; looked for texts.")
    texts = [str(level).strip() for level in levels]
    nodes = [JOIN.join(texts[: i + 1]) for i in range(len(texts))][::-1]
    yield from zip([leaf, *nodes], nodes, strict=False)


def _csv_pairs(path: Path) -> Iterator[Pair]:
    rows = read_csv_rows(path, what="pair")
    if not {"child", "parent"} <= set(rows[0]):
        raise ReweighError(f"{path} has no columns child and parent; it has: {', '.join(rows[0])}.")
    yield from ((row["child"], row["parent"]) for row in rows if row["child"] and row["parent"])


def _checked(pairs: Iterable[Pair], names: Sequence[str], findings: Findings, path: Path) -> list[Pair]:
    parent: dict[str, str] = {}
    for child, above in pairs:
        if parent.setdefault(child, above) != above:
            raise ReweighError(f"{path}: {child!r} has two parents, {parent[child]!r} and {above!r}; a tree has one.")
    inner, known = set(parent.values()), set(names)
    for child in parent:
        if child not in known and child not in inner:
            raise ReweighError(
                f"{path}: {child!r} is neither a class nor a parent of one.{nearest(child, list(names))}"
            )
    _check_circles(parent, path)
    without = [name for name in names if name not in parent]
    if without:
        shown = ", ".join(without[:5]) + (" ..." if len(without) > 5 else "")
        findings.warnings.append(f"{len(without):,} of {len(names):,} classes have no place in {path.name}: {shown}")
    return sorted(parent.items())


def _check_circles(parent: Mapping[str, str], path: Path) -> None:
    """Raises ReweighError for a node that is above itself."""
    ended: set[str] = set()
    for start in parent:
        seen: dict[str, None] = {}
        node: str | None = start
        while node is not None and node not in ended:
            if node in seen:
                raise ReweighError(f"{path}: {node!r} is above itself, by {' -> '.join([*seen, node][:6])}.")
            seen[node] = None
            node = parent.get(node)
        ended.update(seen)
