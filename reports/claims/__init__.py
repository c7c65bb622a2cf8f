"""The paper's claims, and what the measurements say of them."""
