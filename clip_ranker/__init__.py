"""Ranks listing thumbnails by visual similarity to a photo."""

__version__ = "0.1.0"
"""Of this package, the API and the image; what changed is in CHANGELOG.md."""
