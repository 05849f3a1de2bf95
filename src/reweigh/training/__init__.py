"""From weights and targets to a model: the table TRAINERS, one file a way of training."""
