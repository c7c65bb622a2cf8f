"""Figures and pictures of the pages."""
