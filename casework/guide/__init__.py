"""The guide: what it is made of, and finding and reading it. Pure functions over items."""
