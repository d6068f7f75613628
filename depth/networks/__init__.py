"""Depth networks: the MiDaS family and folders of transformers."""
