"""Everything that needs torch: only ``import_model.py`` imports this, never the service."""
