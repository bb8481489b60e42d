"""NVIDIA NeMo's .nemo files, read and written without torch."""

from jaxspeech.interop.nemo.load import load_nemo as load_nemo
from jaxspeech.interop.nemo.save import save_nemo as save_nemo
