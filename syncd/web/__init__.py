"""HTTP: health, readiness and metrics of the service."""
