"""Models on data: accuracy where the truth is known, agreement where it is not; predictions for new images."""
