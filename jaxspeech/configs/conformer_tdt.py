"""Conformer-TDT (token-and-duration transducer) on your own manifests: 120.4 M parameters (Xu et al., 2023).

    python train.py --config=configs/conformer_tdt.py:large --workdir=runs/tdt \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

The sizes are those of configs/conformer_transducer.py. Settings and number of parameters (120,447,494 with 1024 tokens)
are those of NeMo's conformer_tdt_bpe.yaml. The learning rate is Noam's factor, for batches of about 2000 utterances. No
figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.conformer_transducer import recipe
from jaxspeech.configs.recognizers import TDT_DURATIONS

LOSS = {"fastemit": 1e-3, "sigma": 0.05, "omega": 0.1}


def get_config(size: str = "large") -> ConfigDict:
    return recipe(size, name="conformer_tdt", decoder={"durations": TDT_DURATIONS}, loss=LOSS)
