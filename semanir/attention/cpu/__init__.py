"""Attention in C++: kernels compiled on first use, and how torch calls them."""
