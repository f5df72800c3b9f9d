"""Finding the guide, purely: how a question and a phrase become the same thing, and how answers are ranked."""
