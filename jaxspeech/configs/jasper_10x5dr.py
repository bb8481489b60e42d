"""Jasper 10x5 with dense residuals and CTC on your own manifests: 333 M parameters (Li et al., 2019).

    python train.py --config=configs/jasper_10x5dr.py --workdir=runs/jasper \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

Blocks, settings and number of parameters (332,632,349) are those of NeMo's jasper_10x5dr.yaml. Meant for several GPUs.
No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.quartznet_15x5 import recipe


def get_config() -> ConfigDict:
    middle = ((256, 11, 0.2), (384, 13, 0.2), (512, 17, 0.2), (640, 21, 0.3), (768, 25, 0.3))
    dense = {"repeat": 5, "residual": True, "residual_dense": True}
    blocks = [
        {"filters": 256, "kernel": 11, "stride": 2, "dropout": 0.2},
        *[
            {"filters": filters, "kernel": kernel, "dropout": dropout, **dense}
            for filters, kernel, dropout in middle
            for _ in range(2)
        ],
        {"filters": 896, "kernel": 29, "dilation": 2, "dropout": 0.4},
        {"filters": 1024, "kernel": 1, "dropout": 0.4},
    ]
    return recipe(blocks)
