"""Photographs, degradations and test sets. Imports no other package and never torch."""
