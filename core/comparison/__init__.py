"""Comparing what a delegate computes with a reference: `compare`, `bisect`, `extract`."""
