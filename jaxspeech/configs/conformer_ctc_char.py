"""Conformer-CTC over characters, on your own manifests: 27.3 M parameters.

    python train.py --config=configs/conformer_ctc_char.py --workdir=runs/characters \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

Dimensions, settings and number of parameters (27,334,941 with English's 28 characters; 27,590,913 with 1024) are those
of NeMo's conformer_ctc_char.yaml: the medium size of configs/conformer_ctc.py with 16 layers and the large one's masks.
`--config.tokenizer.characters=` takes the characters of the training transcripts instead. The learning rate is Noam's
factor, for batches of about 2000 utterances. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs import conformer_ctc
from jaxspeech.configs.quartznet_15x5 import CHARACTERS


def get_config() -> ConfigDict:
    config = conformer_ctc.get_config("medium")
    config.model.encoder.num_layers = 16
    config.model.spec_augment.time_masks = 10
    config.tokenizer = {"type": "char", "vocab_size": 0, "path": "", "characters": CHARACTERS}
    config.optimizer.learning_rate = 2.0
    return config
