"""OpenCL C sources of the GPU delegate."""
