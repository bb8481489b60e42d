"""Bidirectional LSTM with a transducer (RNN-T) on your own manifests: 163 M parameters (after He et al., 2019).

    python train.py --config=configs/lstm_transducer.py --workdir=runs/lstm \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

Dimensions, settings and number of parameters (162,551,297 with 1024 tokens) are those of NeMo's
lstm_transducer_bpe.yaml. `--config.model.encoder.bidirectional=False` makes it causal. The learning rate is Noam's
factor, for batches of about 2000 utterances. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import noam, published
from jaxspeech.configs.lstm_ctc import LSTM
from jaxspeech.configs.recognizers import transducer


def get_config() -> ConfigDict:
    config = published(transducer(LSTM, decoder={"num_layers": 2, "cell_width": 2048}))
    noam(config, width=2048, factor=5.0, weight_decay=1e-2)
    config.optimizer.clip_norm = 0.3
    return config
