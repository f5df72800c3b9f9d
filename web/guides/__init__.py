"""What both apps look up and show of the guides."""
