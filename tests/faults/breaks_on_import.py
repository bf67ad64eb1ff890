"""A backend whose library is there, and broken."""

raise ImportError("libcudart.so.99: cannot open shared object file")
