"""Files on disk: safetensors, pickles, shards."""
