"""The management plane for fiscal services."""
