"""Squeezeformer-CTC on your own manifests, at NeMo's sizes (Kim et al., 2022).

    python train.py --config=configs/squeezeformer_ctc.py:medium_large --workdir=runs/squeezeformer \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

| size         | parameters | width | heads | layers | frames halved from layer   | learning rate | time masks |
|--------------|-----------:|------:|------:|-------:|---------------------------:|--------------:|-----------:|
| xsmall       |      9.2 M |   144 |     4 |     16 |                          7 |          2e-3 |          5 |
| small        |     18.7 M |   196 |     4 |     18 |                          8 |          2e-3 |          5 |
| small_medium |     28.4 M |   256 |     4 |     16 |                          7 |        1.5e-3 |          5 |
| medium       |     55.9 M |   324 |     4 |     20 |                          9 |        1.5e-3 |          7 |
| medium_large |    125.5 M |   512 |     8 |     18 |                          8 |          1e-3 |         10 |
| large        |    236.8 M |   640 |     8 |     22 |                         10 |          5e-4 |         10 |

Dimensions, settings and numbers of parameters are those of NeMo's squeezeformer_ctc_bpe.yaml (with 1024 tokens; with
subsampling by 4, 128 or 256 tokens are recommended). The learning rates are for batches of 1000 to 2000 utterances. No
figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import pick, published
from jaxspeech.configs.recognizers import ctc

SIZES = {
    "xsmall": {"width": 144, "num_heads": 4, "num_layers": 16, "reduce_at": 7},
    "small": {"width": 196, "num_heads": 4, "num_layers": 18, "reduce_at": 8},
    "small_medium": {"width": 256, "num_heads": 4, "num_layers": 16, "reduce_at": 7},
    "medium": {"width": 324, "num_heads": 4, "num_layers": 20, "reduce_at": 9},
    "medium_large": {"width": 512, "num_heads": 8, "num_layers": 18, "reduce_at": 8},
    "large": {"width": 640, "num_heads": 8, "num_layers": 22, "reduce_at": 10},
}
RATES = {"xsmall": 2e-3, "small": 2e-3, "small_medium": 1.5e-3, "medium": 1.5e-3, "medium_large": 1e-3, "large": 5e-4}
TIME_MASKS = {"xsmall": 5, "small": 5, "small_medium": 5, "medium": 7, "medium_large": 10, "large": 10}


def get_config(size: str = "medium_large") -> ConfigDict:
    fields = pick(SIZES, size, recipe="squeezeformer_ctc")
    encoder = {"name": "squeezeformer", "subsampling_channels": fields["width"], "dtype": "bfloat16", **fields}
    config = published(ctc(encoder))
    config.model.spec_augment.time_masks = TIME_MASKS[size]
    config.tokenizer.vocab_size = 128
    config.optimizer.learning_rate = RATES[size]
    config.optimizer.weight_decay = 4e-5
    config.optimizer.clip_norm = 0.0
    config.optimizer.schedule = {
        "name": "noam_hold",
        "warmup_steps": 5_000,
        "hold_steps": 40_000,
        "decay_rate": 1.0,
        "min_learning_rate": 1e-5,
    }
    return config
