"""The command line: ``clip-ranker rank PHOTO LISTINGS``, ``evaluate DATASET``."""
