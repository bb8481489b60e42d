"""Scripts that run an engine in its own environment; they need the standard library and the engine alone."""
