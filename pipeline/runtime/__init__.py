"""Running artifacts: from a name to verified bytes in memory, a device, and answers."""
