"""Words and what they mean: WordNet's files. Knows nothing of catalogs, images or weights."""
