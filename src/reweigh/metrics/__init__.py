"""Pure functions on arrays: accuracy, confusion, intervals."""
