"""The four use cases: pull, reconcile, compose, push; and the census that finds deletions."""
