"""The command line: ``python -m clip_ranker rank PHOTO LISTINGS``."""

from clip_ranker.cli.main import main

__all__ = ["main"]
