"""Losses and their minimisation: what probes and finetuning share."""
