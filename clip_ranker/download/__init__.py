"""Guarded downloads of URLs that strangers send."""
