"""The other systems of the tables. May import semanir and data_prep; reached by dotted names."""
