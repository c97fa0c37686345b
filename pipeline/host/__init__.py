"""This machine: child processes and their walls, whole files or none, locks, the terminal."""
