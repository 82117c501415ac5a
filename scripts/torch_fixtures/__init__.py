"""What `scripts/make-torch-fixtures` takes from PyTorch."""
