"""Names, types and format of the catalog's tables: what is public about them."""

from __future__ import annotations

import pyarrow as pa

CATALOG_FORMAT = 1
"""Written into catalog.json; older formats are read, newer ones refused."""

SPLITS = ("train", "val", "test")
NOT_KNOWN = -2
"""In arrays of checked or true classes: nobody knows."""

IMAGE_SCHEMA = pa.schema(
    [
        pa.field("uid", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        pa.field("offset", pa.int64()),
        pa.field("length", pa.int64()),
        pa.field("label", pa.int32(), nullable=False),
        pa.field("source", pa.string()),
        pa.field("query", pa.string()),
        pa.field("rank", pa.int32()),
        pa.field("title", pa.string()),
        pa.field("description", pa.string()),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("verified_label", pa.int32()),
        pa.field("verified", pa.bool_()),
        pa.field("content", pa.string()),
        pa.field("group", pa.string()),
    ]
)
"""Columns of images.parquet; unknown columns of the source are kept after these."""

CLASS_SCHEMA = pa.schema(
    [
        pa.field("label", pa.int32(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("synset", pa.string()),
        pa.field("words", pa.list_(pa.string())),
        pa.field("description", pa.string()),
        pa.field("extra", pa.string()),
    ]
)
TRUTH_SCHEMA = pa.schema([pa.field("uid", pa.string(), nullable=False), pa.field("truth", pa.int32(), nullable=False)])
KIND = pa.field("kind", pa.string())
"""Third column of truth.parquet, where it is known how each label came to be right or wrong."""
HIERARCHY_SCHEMA = pa.schema(
    [pa.field("child", pa.string(), nullable=False), pa.field("parent", pa.string(), nullable=False)]
)

IMAGES, CLASSES, TRUTH, HIERARCHY, RECORD = (
    "images.parquet",
    "classes.parquet",
    "truth.parquet",
    "hierarchy.parquet",
    "catalog.json",
)
