"""Columns of rendered tables: where a printed cell goes."""

from collections import Counter

import pytest
from printed import find

from reports.tables.layouts import column_of, label, layouts
from semanir.plan.cells import cells, tables


def test_columns_of_chosen_cells():
    cell = find("table07", row="†SemanIR", dataset="Set12", setting="sigma50")
    assert column_of(cell) == ("Grayscale", "Set12", "σ=50")
    assert column_of(find("table07", row="†SemanIR", metric="params")) == ("", "", "#P [M]")
    cell = find("table10", row="SemanIR-S ×4", dataset="Set5", metric="SSIM")
    assert column_of(cell) == ("Set5", "SSIM")
    assert (label("x4"), label("qf10"), label("xformer")) == ("×4", "QF 10", "xformer")


@pytest.mark.parametrize("table", layouts())
def test_no_two_cells_share_a_place_in_a_rendered_table(table):
    places = Counter((cell.row, column_of(cell)) for cell in cells(table))
    assert [place for place, count in places.items() if count > 1] == []
    assert table in tables()
