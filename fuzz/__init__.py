"""Hostile input for both ends: `targets` says what must hold, `python -m fuzz` looks for what breaks it."""
