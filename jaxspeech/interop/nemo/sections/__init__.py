"""Maps NeMo's classes to their tables, which are in a file for each kind of module.

These are the parts that several families share; heads and decoders are in the tables of their family.
"""

from jaxspeech.interop.nemo.sections.classification import MFCC
from jaxspeech.interop.nemo.sections.conformer import ADAPTED_CONFORMER, CONFORMER
from jaxspeech.interop.nemo.sections.features import MEL, SPEC_AUGMENT
from jaxspeech.interop.nemo.sections.jasper import ADAPTED_JASPER, JASPER, PARALLEL_JASPER
from jaxspeech.interop.nemo.sections.lstm import LSTM
from jaxspeech.interop.nemo.sections.speaker import ECAPA
from jaxspeech.interop.nemo.sections.squeezeformer import SQUEEZEFORMER
from jaxspeech.interop.nemo.sections.transformer import TRANSFORMER

# By the last part of `_target_`.
PREPROCESSORS = {"AudioToMelSpectrogramPreprocessor": MEL, "AudioToMFCCPreprocessor": MFCC}
ENCODERS = {
    "ConformerEncoder": CONFORMER,
    "ConformerEncoderAdapter": ADAPTED_CONFORMER,
    "ConvASREncoder": JASPER,
    "ConvASREncoderAdapter": ADAPTED_JASPER,
    "ECAPAEncoder": ECAPA,
    "ParallelConvASREncoder": PARALLEL_JASPER,
    "RNNEncoder": LSTM,
    "SqueezeformerEncoder": SQUEEZEFORMER,
    "TransformerEncoder": TRANSFORMER,
}
AUGMENTATIONS = {"SpectrogramAugmentation": SPEC_AUGMENT}
