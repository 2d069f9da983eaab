"""From a URL or bytes to a vector: cache, single flight, and the life of a picture."""
