"""Blocking clients for programs with threads."""
