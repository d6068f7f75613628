"""The command `depth2img`."""
