"""What both apps show of a guide: its elements in words, and the templates `guides/…` that lay them out."""
