"""The recipes that come with the package, as TOML: each names only what differs from the defaults."""
