"""Micro-benchmarks that guard the hot path; `make bench-micro` runs them."""
