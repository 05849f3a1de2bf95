"""Recipes (the typed record of settings), the run folder (stages, hashes, resume, lock) and the cost before work."""
