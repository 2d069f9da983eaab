"""Everything that needs torch: ``clip-ranker import`` comes here, the service never does."""
