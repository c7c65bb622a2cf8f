"""Pages that are no tables: index, ablations, those of accepted results; and their templates."""
