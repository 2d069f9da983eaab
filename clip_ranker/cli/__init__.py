"""The command line: ``python -m clip_ranker rank PHOTO LISTINGS``, ``evaluate DATASET``."""
