"""Citrinet with CTC on your own manifests, at the sizes that NVIDIA publishes (Majumdar et al., 2021).

    python train.py --config=configs/citrinet.py:512 --workdir=runs/citrinet \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

| size | parameters | kernels scaled by | filters of the last block | dropout | time masks |
|------|-----------:|------------------:|--------------------------:|--------:|-----------:|
| 256  |     10.3 M |                 1 |                       640 |     0.1 |         10 |
| 384  |     21.5 M |                 1 |                       640 |       0 |          2 |
| 512  |     37.0 M |                 1 |                       640 |     0.1 |         10 |
| 1024 |    141.2 M |               1/4 |                      1024 |     0.1 |         10 |

Blocks, settings and numbers of parameters (with 1024 tokens) are those of NeMo's citrinet_384.yaml, citrinet_512.yaml
and citrinet_1024.yaml, with the warm-up that they advise for half precision. The learning rate is for batches of about
1000 utterances. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import pick, published
from jaxspeech.configs.recognizers import ctc

SIZES = {
    "256": {"filters": 256, "kernel_scale": 1.0, "last": 640},
    "384": {"filters": 384, "kernel_scale": 1.0, "last": 640, "dropout": 0.0},
    "512": {"filters": 512, "kernel_scale": 1.0, "last": 640},
    "1024": {"filters": 1024, "kernel_scale": 0.25, "last": 1024},
}
# The first block of each row has stride 2, so that a frame covers 2, 4, then 8 frames of features.
KERNELS = ((11, 13, 15, 17, 19, 21), (13, 15, 17, 19, 21, 23, 25), (25, 27, 29, 31, 33, 35, 37, 39))


def get_config(size: str = "512") -> ConfigDict:
    blocks = citrinet_blocks(**pick(SIZES, size, recipe="citrinet"))
    config = published(ctc({"name": "jasper", "blocks": blocks, "activation": "relu", "dtype": "bfloat16"}))
    config.model.spec_augment.time_masks = 2 if size == "384" else 10
    config.optimizer = {
        "name": "novograd",
        "learning_rate": 5e-2,
        "beta1": 0.8,
        "beta2": 0.25,
        "weight_decay": 1e-3,
        "schedule": {"name": "cosine", "warmup_steps": 5_000, "min_learning_rate": 1e-5},
    }
    return config


def citrinet_blocks(*, filters: int, kernel_scale: float, last: int, dropout: float = 0.1) -> list[dict]:
    """Make the blocks of a size; scaled kernels are rounded to odd sizes."""
    rows = [[int(kernel * kernel_scale) | 1 for kernel in row] for row in KERNELS]
    last_block = {"filters": last, "kernel": int(41 * kernel_scale) | 1}
    return strided_blocks(filters, rows, last=last_block, dropout=dropout)


def strided_blocks(filters: int, rows: list[list[int]], *, last: dict, dropout: float = 0.1) -> list[dict]:
    """Make a short block, blocks of five convolutions with these kernels, the first of each row strided, and `last`."""
    shared = {"separable": True, "squeeze_excite": True}
    middle = {"filters": filters, "repeat": 5, "residual": True, "dropout": dropout} | shared
    blocks = [{"filters": filters, "kernel": 5} | shared]
    for row in rows:
        first, *others = row
        blocks.append(middle | {"kernel": first, "stride": 2, "stride_last": True})
        blocks += [middle | {"kernel": kernel} for kernel in others]
    return [*blocks, last | shared]
