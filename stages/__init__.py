"""The commands that DVC runs: names in, one library call, files out."""
