"""Depth maps: what they are, where they come from, how they are edited and stored."""
