"""FastConformer-Transducer (RNN-T) on your own manifests, at the sizes that NVIDIA publishes.

    python train.py --config=configs/fastconformer_transducer.py:large --workdir=runs/large \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

| size    | parameters | width | heads | layers | kernel | weight decay | prediction and joint | LSTM layers |
|---------|-----------:|------:|------:|-------:|-------:|-------------:|---------------------:|------------:|
| small   |       14 M |   176 |     4 |     16 |      9 |            0 |                  320 |           1 |
| medium  |       31 M |   256 |     4 |     16 |      9 |         1e-3 |                  640 |           1 |
| large   |      114 M |   512 |     8 |     17 |      9 |         1e-3 |                  640 |           1 |
| xlarge  |      617 M |  1024 |     8 |     24 |      9 |         1e-3 |                  640 |           2 |
| xxlarge |     1.07 B |  1024 |     8 |     42 |      5 |         1e-3 |                  640 |           2 |

The dimensions are those of NeMo's fast-conformer_transducer_bpe.yaml. The learning rate is for about 2000 utterances
per step over all devices: with fewer, lower it. The sizes from large up are meant for several GPUs in bfloat16. The
memory of the loss does not grow with the vocabulary. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import pick, published
from jaxspeech.configs.recognizers import fastconformer_transducer

SIZES = {
    "small": {"width": 176, "num_heads": 4, "num_layers": 16},
    "medium": {"width": 256, "num_heads": 4, "num_layers": 16},
    "large": {"width": 512, "num_heads": 8, "num_layers": 17},
    "xlarge": {"width": 1024, "num_heads": 8, "num_layers": 24, "remat": "full"},
    "xxlarge": {"width": 1024, "num_heads": 8, "num_layers": 42, "conv_kernel": 5, "xscaling": False, "remat": "full"},
}
DECODERS = {
    "small": {"width": 320, "joint_width": 320},
    "medium": {},
    "large": {},
    "xlarge": {"num_layers": 2},
    "xxlarge": {"num_layers": 2},
}


def get_config(size: str = "large") -> ConfigDict:
    return recipe(size, name="fastconformer_transducer")


def recipe(size: str, *, name: str, durations: tuple[int, ...] = (), loss: dict | None = None) -> ConfigDict:
    """Make the recipe `name` at one of the sizes; with `durations` a TDT."""
    encoder = pick(SIZES, size, recipe=name)
    decoder = DECODERS[size] | {"durations": durations}
    config = published(fastconformer_transducer(decoder=decoder, loss=loss, dtype="bfloat16", **encoder))
    config.loss_reduction = "mean_volume"
    config.optimizer.learning_rate = 5e-3
    config.optimizer.weight_decay = 0.0 if size == "small" else 1e-3
    config.optimizer.schedule = {"name": "cosine", "warmup_steps": 15_000, "min_learning_rate": 5e-4}
    return config
