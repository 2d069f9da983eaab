"""Data sets for ``clip-ranker evaluate``, built from packages; ``python -m bench.datasets``."""
