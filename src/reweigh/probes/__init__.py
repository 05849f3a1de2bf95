"""Linear heads on stored features: folds, fit (weighted, soft targets), predict, choice of strength."""
