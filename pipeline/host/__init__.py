"""This machine: child processes, whole files or none, locks, instruction sets, the terminal."""
