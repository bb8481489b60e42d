"""A trained model changed without training it: archive in, archive out. Weights that stay are shared, not copied."""
