"""Ranks listing thumbnails by visual similarity to a photo."""

import os

# Before anything imports ONNX Runtime: from 1.29 on it reports its use to its makers, and keeps a
# device id and a database in the home for that.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
"""Of this package, the API and the image; what changed is in CHANGELOG.md."""
