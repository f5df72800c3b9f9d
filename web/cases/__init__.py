"""What both apps do with cases: read them, act on them, show them."""
