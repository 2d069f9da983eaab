"""Brings an image model into the BentoML store: ``clip-ranker import`` by its first name."""

import sys

from clip_ranker.importing.command import main

if __name__ == "__main__":
    sys.exit(main())
