"""Bytes to upright sRGB to the pixels a model takes."""
