"""Conformer-Transducer (RNN-T) on your own manifests, at the sizes that NVIDIA publishes (Gulati et al., 2020).

    python train.py --config=configs/conformer_transducer.py:large --workdir=runs/large \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

| size   | parameters | width | heads | layers | kernel | weight decay | prediction and joint | LSTM layers |
|--------|-----------:|------:|------:|-------:|-------:|-------------:|---------------------:|------------:|
| small  |     14.6 M |   176 |     4 |     16 |     31 |            0 |                  320 |           1 |
| medium |     32.5 M |   256 |     4 |     16 |     31 |         1e-3 |                  640 |           1 |
| large  |    120.4 M |   512 |     8 |     17 |     31 |         1e-3 |                  640 |           1 |
| xlarge |    644.3 M |  1024 |     8 |     24 |      5 |         1e-3 |                  640 |           2 |

Dimensions, settings and numbers of parameters (with 1024 tokens) are those of NeMo's conformer_transducer_bpe.yaml.
The learning rate is Noam's factor, for batches of about 2000 utterances. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import noam, pick, published
from jaxspeech.configs.recognizers import CONFORMER, transducer

SIZES = {
    "small": {"width": 176, "num_heads": 4, "num_layers": 16},
    "medium": {"width": 256, "num_heads": 4, "num_layers": 16},
    "large": {"width": 512, "num_heads": 8, "num_layers": 17},
    "xlarge": {"width": 1024, "num_heads": 8, "num_layers": 24, "conv_kernel": 5, "remat": "full"},
}
DECODERS = {"small": {"width": 320, "joint_width": 320}, "medium": {}, "large": {}, "xlarge": {"num_layers": 2}}


def get_config(size: str = "large") -> ConfigDict:
    return recipe(size, name="conformer_transducer")


def recipe(size: str, *, name: str, decoder: dict | None = None, loss: dict | None = None) -> ConfigDict:
    """Make the recipe `name` at one of the sizes, with these fields of the decoder and the loss."""
    fields = pick(SIZES, size, recipe=name)
    encoder = CONFORMER | fields | {"subsampling_channels": fields["width"], "dtype": "bfloat16"}
    config = published(transducer(encoder, decoder=DECODERS[size] | (decoder or {}), loss=loss))
    noam(config, width=fields["width"], factor=5.0)
    config.optimizer.weight_decay = 0.0 if size == "small" else 1e-3
    return config
