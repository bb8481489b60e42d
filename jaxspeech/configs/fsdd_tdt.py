"""Recognises spoken digits with a token-and-duration transducer and a CTC head; otherwise as configs/fsdd.py.

jaxspeech prepare fsdd                                # data/fsdd
python train.py --config=configs/fsdd_tdt.py
"""

from ml_collections import ConfigDict

from jaxspeech.configs import fsdd
from jaxspeech.configs.recognizers import TDT_DURATIONS, TDT_LOSS, fastconformer_transducer

# One digit is one token: a small prediction network has little to predict.
DECODER = {"width": 64, "joint_width": 96, "durations": TDT_DURATIONS}


def get_config() -> ConfigDict:
    config = fsdd.get_config()
    tdt = fastconformer_transducer(decoder=DECODER, loss=TDT_LOSS)
    config.model = ConfigDict({**config.model, **{key: tdt[key] for key in ("decoder", "loss", "search")}})
    config.model.task, config.model.ctc_weight = "hybrid", 0.3  # the CTC head helps the encoder at the start
    return config
