"""The store, the encoder, and how a model wants its pixels."""
