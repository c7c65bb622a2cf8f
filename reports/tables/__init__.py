"""The paper's tables: printed cells, what is measured, verdicts."""
