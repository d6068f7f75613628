"""Model files: loading, converting, telling apart, adding differences. Knows no nodes."""
