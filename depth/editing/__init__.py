"""The edits of a depth map as a list of strokes and shapes: read, checked and applied."""
