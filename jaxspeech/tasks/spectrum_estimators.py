"""The table of modules that estimate complex spectra, for predictive and for generative enhancement."""

from typing import Any

from jaxspeech.encoders.deep_filter import DeepFilter
from jaxspeech.encoders.ncsnpp import NCSNPlusPlus
from jaxspeech.encoders.spectrum_conformer import SpectrumConformer
from jaxspeech.encoders.transformer_unet import TransformerUNet

SPECTRUM_ESTIMATORS: dict[str, Any] = {
    "deep_filter": DeepFilter,
    "conformer": SpectrumConformer,
    "ncsnpp": NCSNPlusPlus,
    "transformer_unet": TransformerUNet,
}
