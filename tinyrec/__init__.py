"""The package behind the book: recursive reasoning with tiny networks."""

from importlib.util import find_spec

NEEDED = ("torch", "numpy", "matplotlib", "ipywidgets", "tqdm", "safetensors")

# An installation with --no-deps, as in Colab, brings none of them.
if missing := " ".join(name for name in NEEDED if find_spec(name) is None):
    raise ImportError(f"tinyrec needs what is not installed here: pip install {missing}")
