"""Which class of the peer is which table, a file for each kind of module."""

from jaxspeech.interop.nemo.sections.conformer import CONFORMER
from jaxspeech.interop.nemo.sections.decoders import CTC_HEAD, JOINT, LSTM_PREDICTION, STATELESS_PREDICTION
from jaxspeech.interop.nemo.sections.features import MEL, SPEC_AUGMENT
from jaxspeech.interop.nemo.sections.jasper import JASPER
from jaxspeech.interop.nemo.sections.lstm import LSTM
from jaxspeech.interop.nemo.sections.squeezeformer import SQUEEZEFORMER
from jaxspeech.interop.nemo.sections.transformer import TRANSFORMER

# By the last part of `_target_`, whatever module of the peer it lived in over the years.
PREPROCESSORS = {"AudioToMelSpectrogramPreprocessor": MEL}
ENCODERS = {
    "ConformerEncoder": CONFORMER,
    "ConvASREncoder": JASPER,
    "RNNEncoder": LSTM,
    "SqueezeformerEncoder": SQUEEZEFORMER,
    "TransformerEncoder": TRANSFORMER,
}
DECODERS = {
    "ConvASRDecoder": CTC_HEAD,
    "RNNTDecoder": LSTM_PREDICTION,
    "StatelessTransducerDecoder": STATELESS_PREDICTION,
}
JOINTS = {"RNNTJoint": JOINT}
AUGMENTATIONS = {"SpectrogramAugmentation": SPEC_AUGMENT}
# The peer's model class -> our task.
TASKS = {
    "EncDecCTCModelBPE": "ctc",
    "EncDecCTCModel": "ctc",
    "EncDecRNNTBPEModel": "transducer",
    "EncDecRNNTModel": "transducer",
    "EncDecHybridRNNTCTCBPEModel": "hybrid",
    "EncDecHybridRNNTCTCModel": "hybrid",
}
