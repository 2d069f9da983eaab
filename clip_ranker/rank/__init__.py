"""One request: photo and listings in, order out; and prefetching for requests to come."""
