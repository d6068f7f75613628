"""Trains the bundled miniature checkpoint from synthetic scenes; see README.md in this folder."""
