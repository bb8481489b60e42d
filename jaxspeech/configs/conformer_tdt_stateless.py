"""Conformer-TDT with a stateless prediction network on your own manifests: 117.2 M parameters (Ghodsi et al., 2020).

    python train.py --config=configs/conformer_tdt_stateless.py:large --workdir=runs/stateless \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

The prediction network depends on the last two tokens only: their embeddings, concatenated and normalised, replace the
LSTM. Everything else is as in configs/conformer_tdt.py. Settings and number of parameters (117,165,574 with 1024
tokens) are those of NeMo's conformer_tdt_bpe_stateless.yaml. `--config.model.decoder.durations="()"` makes it an RNN-T.
No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.conformer_tdt import LOSS
from jaxspeech.configs.conformer_transducer import recipe
from jaxspeech.configs.recognizers import TDT_DURATIONS


def get_config(size: str = "large") -> ConfigDict:
    stateless = {"prediction": "stateless", "context": 2, "context_norm": "layer"}
    decoder = {"durations": TDT_DURATIONS} | stateless
    return recipe(size, name="conformer_tdt_stateless", decoder=decoder, loss=LOSS)
