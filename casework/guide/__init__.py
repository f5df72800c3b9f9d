"""Finding a guide and reading it: pure functions over items."""
