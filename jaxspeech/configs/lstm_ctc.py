"""Bidirectional LSTM with CTC on your own manifests: 137 M parameters (after He et al., 2019).

    python train.py --config=configs/lstm_ctc.py --workdir=runs/lstm \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

Dimensions, settings and number of parameters (137,449,729 with 1024 tokens) are those of NeMo's lstm_ctc_bpe.yaml.
`--config.model.encoder.bidirectional=False` makes it causal. The learning rate is Noam's factor, for batches of about
2000 utterances. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import noam, published
from jaxspeech.configs.recognizers import ctc

LSTM = {
    "name": "lstm",
    "num_layers": 8,
    "width": 640,
    "cell_width": 2048,
    "bidirectional": True,
    "subsampling": "stacking",
    "subsampling_factor": 4,
    "dropout": 0.2,
    "frames_after": 1,
    "dtype": "bfloat16",
}


def get_config() -> ConfigDict:
    config = published(ctc(LSTM))
    noam(config, width=2048, factor=5.0, weight_decay=1e-2)
    config.optimizer.clip_norm = 0.3
    return config
