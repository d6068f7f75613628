"""Depth maps: what they are, where they come from, how they are stored. Knows no host, no nodes."""
