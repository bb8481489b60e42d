"""NVIDIA NeMo's .nemo files, read without torch."""

from jaxspeech.interop.nemo.load import load_nemo as load_nemo
