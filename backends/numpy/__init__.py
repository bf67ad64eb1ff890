"""NumPy, by its gradients written by hand."""
