"""Reads and writes NVIDIA NeMo's .nemo files without torch."""

from jaxspeech.interop.nemo.load import load_nemo as load_nemo
from jaxspeech.interop.nemo.save import save_nemo as save_nemo
