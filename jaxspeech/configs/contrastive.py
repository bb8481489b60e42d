"""A FastConformer that is pretrained by contrast: it finds the right target of a masked frame among others.

    jaxspeech train --config=contrastive:large --workdir=runs/contrastive \\
        --config.data.train=speech.jsonl --config.data.eval.dev=dev.jsonl

| size  | parameters | width | heads | layers |
|-------|-----------:|------:|------:|-------:|
| small |       31 M |   176 |     4 |     16 |
| large |      162 M |   512 |     8 |     17 |

Manifests need "audio_filepath" and "duration" alone. Half of each recording is masked in patches of 0.48 s; targets are
quantized, and a second head predicts the number of the target, one of 320^2 (of the parameters, 18 M and 53 M are its).
The settings are those of NeMo's ContrastiveLoss and MaskedPatchAugmentation, after wav2vec 2.0 (Baevski et al., 2020)
and w2v-BERT (Chung et al., 2021), with Noam's schedule for about 2000 recordings per step over all devices; with fewer,
lower the learning rate. See docs/contrastive.md, and `nest` for the method that NeMo has replaced it with. No figures:
they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import any_type, base_config, noam, pick
from jaxspeech.configs.recognizers import FASTCONFORMER

SIZES = {
    "small": {"width": 176, "num_heads": 4, "num_layers": 16},
    "large": {"width": 512, "num_heads": 8, "num_layers": 17},
}


def get_config(size: str = "large") -> ConfigDict:
    sizes = pick(SIZES, size, recipe="contrastive")
    config = base_config()
    config.model = {
        "task": "contrastive",
        "features": {"name": "mel", "sample_rate": 16000, "num_mels": 80},
        "encoder": FASTCONFORMER | sizes | {"dtype": "bfloat16"},
        # Frames of 10 ms; `patches` below 1 is a share.
        "masking": {"patch_frames": 48, "patches": any_type(0.5), "freq_masks": 3, "freq_width": 20},
        "quantizer": {"name": "gumbel", "size": 320, "groups": 2, "width": 128},
        "decoder": {"name": "reconstruction", "width": 128, "hidden_width": 128},
        "loss": {
            "num_negatives": 100,
            "negatives": "utterance_masked",  # or utterance, batch_masked, batch, codebook
            "temperature": 0.1,
            "diversity": 0.1,
            "scale": 16.0,
            "mask_threshold": 0.8,
            "noise_temperature": (2.0, 0.5, 0.999995),  # at first, at last, and the factor of each step
        },
        "masked_codes": {"weight": 1000.0, "first_step": 0},
    }
    config.data.train = any_type("data/train.jsonl")
    config.data.eval = {"dev": "data/dev.jsonl"}
    config.data.min_seconds, config.data.max_seconds = 2.0, 16.7
    noam(config, width=sizes["width"], factor=5.0)
    config.optimizer.schedule.warmup_steps = 25_000
    config.steps = 500_000
    return config
