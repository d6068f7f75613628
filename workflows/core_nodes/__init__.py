"""ComfyUI's own nodes that workflows use."""
