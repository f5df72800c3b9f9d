"""What both apps look up and show of the guides: the index, and a guide's elements in words, with their templates."""
