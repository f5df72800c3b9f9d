"""Finding a guide, reading it, and what changed in it: pure functions over items."""
