"""autograd (HIPS): a tape over NumPy."""
