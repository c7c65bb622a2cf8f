"""Printed cells by their fields."""

from semanir.plan.cells import cells


def find(table, **fields):
    """The one cell of a table with these fields."""
    (cell,) = [c for c in cells(table) if all(getattr(c, k) == v for k, v in fields.items())]
    return cell
