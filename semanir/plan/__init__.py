"""From printed cells to runs, records and files. Imports neither torch nor pandas."""
