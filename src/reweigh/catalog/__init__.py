"""The tables on disk, read and written: images, classes, splits, groups, truth."""
