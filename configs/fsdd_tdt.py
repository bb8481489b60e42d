"""Spoken digits with a token-and-duration transducer: configs/fsdd.py with another decoder.

python -m jaxspeech.data.prepare fsdd                                # data/fsdd
python train.py --config=configs/fsdd_tdt.py
"""

from ml_collections import ConfigDict

from configs import fsdd
from configs.base import TDT_DURATIONS, TDT_LOSS, fastconformer_transducer

# One digit is one token: a small prediction network has little to predict.
DECODER = {"width": 64, "joint_width": 96, "durations": TDT_DURATIONS}


def get_config() -> ConfigDict:
    config = fsdd.get_config()
    tdt = fastconformer_transducer(decoder=DECODER, loss=TDT_LOSS)
    config.model = ConfigDict({**config.model, **{key: tdt[key] for key in ("task", "decoder", "loss", "search")}})
    return config
