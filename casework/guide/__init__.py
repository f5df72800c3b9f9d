"""What a guide is made of, and how it is found. Pure."""
