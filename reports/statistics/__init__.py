"""Two models compared over seeds and images, and what is concluded of it."""
