"""Calls of the model's process: batches, and whether it is well."""
