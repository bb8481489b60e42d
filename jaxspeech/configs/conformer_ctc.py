"""Conformer-CTC on your own manifests, at the sizes that NVIDIA publishes (Gulati et al., 2020).

    python train.py --config=configs/conformer_ctc.py:large --workdir=runs/large \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

| size   | parameters | width | heads | layers | kernel | learning rate | time masks |
|--------|-----------:|------:|------:|-------:|-------:|--------------:|-----------:|
| small  |     13.2 M |   176 |     4 |     16 |     31 |             5 |          5 |
| medium |     30.8 M |   256 |     4 |     18 |     31 |             5 |          5 |
| large  |    122.0 M |   512 |     8 |     18 |     31 |             2 |         10 |
| xlarge |    636.4 M |  1024 |     8 |     24 |      5 |             2 |         10 |

Dimensions, settings and numbers of parameters are those of NeMo's conformer_ctc_bpe.yaml (with 1024 tokens; with
subsampling by 4, 128 or 256 tokens are recommended). The learning rate is Noam's factor, for batches of about 2000
utterances. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import noam, pick, published
from jaxspeech.configs.recognizers import CONFORMER, ctc

SIZES = {
    "small": {"width": 176, "num_heads": 4, "num_layers": 16},
    "medium": {"width": 256, "num_heads": 4, "num_layers": 18},
    "large": {"width": 512, "num_heads": 8, "num_layers": 18},
    "xlarge": {"width": 1024, "num_heads": 8, "num_layers": 24, "conv_kernel": 5, "remat": "full"},
}


def get_config(size: str = "large") -> ConfigDict:
    fields = pick(SIZES, size, recipe="conformer_ctc")
    encoder = CONFORMER | fields | {"subsampling_channels": fields["width"], "dtype": "bfloat16"}
    small = size in ("small", "medium")
    config = published(ctc(encoder))
    config.model.spec_augment.time_masks = 5 if small else 10
    config.tokenizer.vocab_size = 128
    noam(config, width=fields["width"], factor=5.0 if small else 2.0)
    return config
