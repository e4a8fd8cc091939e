"""The benchmark: the service against a bare application on the same PostgreSQL."""
