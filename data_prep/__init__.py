"""Photographs, degradations and test sets; imports of ours only the basement, never torch."""
