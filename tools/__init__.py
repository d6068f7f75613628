"""Tools for those who develop this pack."""
