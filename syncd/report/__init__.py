"""From a project's entities to a communication record, and from that to a digest; pure functions."""
