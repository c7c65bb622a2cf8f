"""Restore images with trained networks: whole or in tiles, with weights of one's own or shipped."""
