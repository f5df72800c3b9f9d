"""The county's catalogue: items come in as drafts, are checked, and go out in signed, numbered releases."""
