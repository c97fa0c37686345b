"""What knows a model: its IR, a session on a device, samples on disk, figures of its outputs."""
