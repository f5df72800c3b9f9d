"""The rules of the service: what a case, an item, a guide is. Pure: no I/O, no clock, no randomness."""
