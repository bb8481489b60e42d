"""FastConformer-CTC on your own manifests, at the sizes that NVIDIA publishes.

    python train.py --config=configs/fastconformer_ctc.py:large --workdir=runs/large \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

| size    | parameters | width | heads | layers | kernel | weight decay | scaled input |
|---------|-----------:|------:|------:|-------:|-------:|-------------:|--------------|
| small   |       13 M |   176 |     4 |     16 |      9 |            0 | yes          |
| medium  |       27 M |   256 |     4 |     16 |      9 |         1e-3 | yes          |
| large   |      116 M |   512 |     8 |     18 |      9 |         1e-3 | yes          |
| xlarge  |      609 M |  1024 |     8 |     24 |      9 |         1e-3 | no           |
| xxlarge |     1.06 B |  1024 |     8 |     42 |      5 |         1e-3 | no           |

The dimensions are those of NeMo's fast-conformer_ctc_bpe.yaml (its comment gives `large` 17 layers, but its setting and
the published checkpoints have 18). The learning rate is for about 2000 utterances per step over all devices: with
fewer, lower it. The sizes from large up are meant for several GPUs in bfloat16. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import pick, published
from jaxspeech.configs.recognizers import fastconformer_ctc

SIZES = {
    "small": {"width": 176, "num_heads": 4, "num_layers": 16},
    "medium": {"width": 256, "num_heads": 4, "num_layers": 16},
    "large": {"width": 512, "num_heads": 8, "num_layers": 18},
    "xlarge": {"width": 1024, "num_heads": 8, "num_layers": 24, "xscaling": False, "remat": "full"},
    "xxlarge": {"width": 1024, "num_heads": 8, "num_layers": 42, "conv_kernel": 5, "xscaling": False, "remat": "full"},
}


def get_config(size: str = "large") -> ConfigDict:
    sizes = pick(SIZES, size, recipe="fastconformer_ctc")
    config = published(fastconformer_ctc(dtype="bfloat16", **sizes))
    config.loss_reduction = "mean_volume"
    config.optimizer.weight_decay = 0.0 if size == "small" else 1e-3
    config.optimizer.schedule = {"name": "cosine", "warmup_steps": 15_000, "min_learning_rate": 1e-4}
    return config
