"""The commands. Heavy imports happen inside them, so that `syncd --help` is quick."""

from syncd.cli.app import Pages, main

__all__ = ["Pages", "main"]
