"""The other systems of the tables: networks, released weights, how their authors run them."""
