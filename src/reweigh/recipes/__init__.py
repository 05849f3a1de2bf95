"""The recipes that come with the package, as TOML: each names only what differs from the defaults."""

DEFAULT_RECIPE = "auto"
"""What `reweigh run` means where no recipe is named."""
