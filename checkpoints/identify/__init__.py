"""What a file is, and what to do with it."""
