"""Train networks: recipes, patches, losses, and a loop that resumes to the last bit."""
