"""Two results beside each other, and one accepted file over its commits."""
