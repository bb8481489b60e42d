"""Conformer for live audio, on your own manifests, with a look-ahead of 1.08 s.

    python train.py --config=configs/conformer_streaming.py:large --workdir=runs/live \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl
    python transcribe.py --model=runs/live/model.jaxspeech --stream talk.wav

`:large` has a CTC head (122.2 M parameters with 1024 tokens), `:large-transducer` is an RNN-T (120.7 M); the sizes are
those of configs/conformer_ctc.py and configs/conformer_transducer.py. A frame of 40 ms attends to the 140 frames before
its chunk of 28 frames (1.12 s). `--config.model.encoder.attention_context="((140, 27), (140, 13), (140, 2), (140, 0))"`
trains one model with four look-aheads. Settings and numbers of parameters are those of NeMo's
conformer_ctc_bpe_streaming.yaml and conformer_transducer_bpe_streaming.yaml. The learning rate is Noam's factor, for
batches of about 2000 utterances. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs import conformer_ctc, conformer_transducer
from jaxspeech.configs.recognizers import cache_aware


def get_config(size: str = "large") -> ConfigDict:
    size, _, family = size.partition("-")
    if family not in ("", "transducer"):
        raise ValueError(f"configs/conformer_streaming.py:{size}-{family}: the size can be followed by -transducer")
    config = (conformer_transducer if family else conformer_ctc).get_config(size)
    if family:
        config.model.loss.fastemit = 1e-3
    else:
        config.optimizer.weight_decay = 0.0
    return cache_aware(config, ((140, 27),))
