"""What an import can refuse over. The text is one or two sentences for the terminal."""

from clip_ranker.errors import ClipRankerError


class ImportRefusedError(ClipRankerError):
    """The model is not stored; the text says why and what to do."""
