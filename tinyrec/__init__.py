"""The package behind the book: recursive reasoning with tiny networks."""
