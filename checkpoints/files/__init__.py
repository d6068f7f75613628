"""What lies on the disk: safetensors, pickles, shards."""
