"""Conformer with a transducer (RNN-T) and a CTC head on one encoder, on your own manifests: 121.0 M parameters.

    python train.py --config=configs/conformer_hybrid.py:large --workdir=runs/large \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

The sizes are those of configs/conformer_transducer.py. Settings and number of parameters (120,970,114 with 1024 tokens)
are those of NeMo's conformer_hybrid_transducer_ctc_bpe.yaml: the CTC loss has the weight 0.3. `python transcribe.py
--head=ctc` decodes with the CTC head, which is faster. The learning rate is Noam's factor, for batches of about 2000
utterances. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.conformer_transducer import recipe
from jaxspeech.configs.recognizers import hybrid


def get_config(size: str = "large") -> ConfigDict:
    return hybrid(recipe(size, name="conformer_hybrid"))
