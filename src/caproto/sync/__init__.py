"""Blocking front ends."""
