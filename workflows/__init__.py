"""Reads, checks and runs workflow files on the embedded engine."""
