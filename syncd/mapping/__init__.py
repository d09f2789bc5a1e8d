"""Mapping files: records become entities, digests become vendor payloads, by YAML and never by code."""
