"""Canonical objects and the communication record."""
