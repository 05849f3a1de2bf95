"""Verdicts on labels: which are wrong, how many, and what they should be. Knows probabilities and neighbours, no catalog."""
