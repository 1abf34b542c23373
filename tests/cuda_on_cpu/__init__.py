"""A test device that runs the text of CUDA kernels on the CPU, and the part of CuPy that the
delegate uses, on top of it."""
