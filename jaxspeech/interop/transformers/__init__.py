"""Reads Parakeet and Canary checkpoints that Hugging Face Transformers saved, without torch and Transformers."""

from jaxspeech.interop.transformers.load import load_transformers as load_transformers
