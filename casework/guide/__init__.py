"""The guide, purely: finding it, reading it, and what changed in it."""
