"""Reads and writes NVIDIA NeMo's .nemo files, and its folders of language models that hear, without torch."""

from jaxspeech.interop.nemo.load import load_nemo as load_nemo
from jaxspeech.interop.nemo.salm import is_salm_folder as is_salm_folder
from jaxspeech.interop.nemo.salm import load_salm as load_salm
from jaxspeech.interop.nemo.salm import missing_backbone as missing_backbone
from jaxspeech.interop.nemo.save import save_nemo as save_nemo
