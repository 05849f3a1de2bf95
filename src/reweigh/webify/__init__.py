"""A web set with a known truth from a clean one: class sizes, wrong labels, sources, ranks, side text, duplicates.

Knows arrays and the catalog's tables; which classes are similar and what is true arrive as arguments.
"""
