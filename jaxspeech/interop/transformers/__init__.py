"""Parakeet checkpoints as Hugging Face Transformers saves them, read without torch or its library."""

from jaxspeech.interop.transformers.load import load_transformers as load_transformers
