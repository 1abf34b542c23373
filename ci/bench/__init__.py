"""Benchmarks: not tests, and nothing else depends on them."""
