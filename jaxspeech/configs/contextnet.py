"""ContextNet with a transducer (RNN-T) on your own manifests, at NeMo's sizes (after Han et al., 2020).

    python train.py --config=configs/contextnet.py:1024 --workdir=runs/contextnet \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

| size | parameters | time masks |
|------|-----------:|-----------:|
| 256  |     14.5 M |          2 |
| 512  |     40.8 M |          5 |
| 1024 |    144.9 M |         10 |

Blocks, settings and numbers of parameters (with 1024 tokens) are those of NeMo's contextnet_rnnt.yaml. The learning
rate is for batches of about 1000 utterances. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import pick, published
from jaxspeech.configs.citrinet import strided_blocks
from jaxspeech.configs.recognizers import transducer

SIZES = {"256": {"time_masks": 2}, "512": {"time_masks": 5}, "1024": {"time_masks": 10}}


def get_config(size: str = "512") -> ConfigDict:
    masks = pick(SIZES, size, recipe="contextnet")
    filters = int(size)
    # Two more blocks come before the first strided one.
    before, *strided = strided_blocks(filters, [[5] * 4, [5] * 7, [5] * 8], last={"filters": 640, "kernel": 5})
    unstrided = {key: value for key, value in strided[1].items() if key not in ("stride", "stride_last")}
    encoder = {
        "name": "jasper",
        "blocks": [before, unstrided, unstrided, *strided],
        "activation": "swish",
        "weight_init": "tds_uniform",
        "dtype": "bfloat16",
    }
    decoder = {"dropout": 0.1, "joint_dropout": 0.1}
    config = published(transducer(encoder, decoder=decoder, loss={"fastemit": 1e-3}))
    config.model.spec_augment.update(masks)
    config.optimizer = {
        "name": "novograd",
        "learning_rate": 5e-2,
        "beta1": 0.9,
        "beta2": 0.0,
        "weight_decay": 1e-3,
        "clip_norm": 1.0,
        "schedule": {"name": "cosine", "warmup_steps": 5_000, "min_learning_rate": 1e-6},
    }
    return config
