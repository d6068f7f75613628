"""Photograph-like frames with true depth, rendered by Blender's Python package."""
