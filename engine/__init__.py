"""What stands in for ComfyUI below the nodes: networks, samplers, prompts, folders."""
