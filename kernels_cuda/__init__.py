"""CUDA sources of the GPU delegate."""
