"""Ranks listing thumbnails by visual similarity to a photo."""
