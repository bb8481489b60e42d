"""NEST, a FastConformer that is pretrained on speech without transcripts (Huang et al., 2024), at NVIDIA's sizes.

    jaxspeech train --config=nest:large --workdir=runs/nest \\
        --config.data.train=speech.jsonl --config.data.eval.dev=dev.jsonl \\
        --config.mixing.noise=noise.jsonl --config.mixing.noise_share=0.5
    jaxspeech train --config=fastconformer_ctc:large --config.init_from=runs/nest/model.jaxspeech ...

| size   | parameters | width | heads | layers | weight decay | scaled input |
|--------|-----------:|------:|------:|-------:|-------------:|--------------|
| small  |       14 M |   176 |     4 |     16 |            0 | yes          |
| medium |       28 M |   256 |     4 |     16 |         1e-3 | yes          |
| large  |      119 M |   512 |     8 |     18 |         1e-3 | yes          |
| xlarge |      616 M |  1024 |     8 |     24 |         1e-3 | no           |

Manifests need "audio_filepath" and "duration" alone. Blocks of 0.4 s are masked; the model finds which of 8192 codes
the audio has there; codes come from a random projection that is never trained. See docs/pretraining.md. The settings
are those of NeMo's nest_fast-conformer.yaml (its comment gives `large` 17 layers; the published checkpoint has 18),
with Noam's schedule for about 2000 utterances per step over all devices; with fewer, lower the learning rate. The sizes
from large up are meant for several GPUs in bfloat16. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import any_type, base_config, noam, pick
from jaxspeech.configs.recognizers import FASTCONFORMER

SIZES = {
    "small": {"width": 176, "num_heads": 4, "num_layers": 16},
    "medium": {"width": 256, "num_heads": 4, "num_layers": 16},
    "large": {"width": 512, "num_heads": 8, "num_layers": 18},
    "xlarge": {"width": 1024, "num_heads": 8, "num_layers": 24, "xscaling": False, "remat": "full"},
}


def masked_prediction(*, num_codes: int = 8192, num_books: int = 1, **encoder) -> ConfigDict:
    """Make the model config of a FastConformer that is pretrained: NEST's settings, except the given fields.

    Args:
      num_codes, num_books: of the quantizer.
      encoder: fields of the FastConformer.
    """
    codes = {"num_codes": num_codes, "num_books": num_books}
    return ConfigDict(
        {
            "task": "pretrain",
            "features": {"name": "mel", "sample_rate": 16000, "num_mels": 80},
            "encoder": FASTCONFORMER | encoder,
            "quantizer": {"name": "random_projection", "code_dim": 16, **codes},
            # Frames of 10 ms. Separate blocks, of which `probability` is the share of masked frames: overlap False.
            "masking": {"name": "blocks", "block": 40, "probability": 0.01, "overlap": True},
            "decoder": {"name": "softmax", "dtype": encoder.get("dtype", "float32"), **codes},
            "mask_position": "features",  # or "subsampled": between the subsampling and the layers
        }
    )


def get_config(size: str = "large") -> ConfigDict:
    sizes = pick(SIZES, size, recipe="nest")
    config = base_config()
    config.model = masked_prediction(dtype="bfloat16", **sizes)
    config.data.train = any_type("data/train.jsonl")
    config.data.eval = {"dev": "data/dev.jsonl"}
    # Other talkers, over half of every second utterance; noise too, where manifests of it are given: see docs/data.md.
    config.mixing = {
        **{"noise": any_type(()), "noise_share": 0.0, "probability": 0.5, "share": (0.5, 0.5)},
        **{"speech_db": (-5.0, 5.0), "noise_db": (-5.0, 20.0)},
    }
    config.data.min_seconds, config.data.max_seconds = 1.0, 60.0
    config.loss_reduction = "mean_volume"  # every masked frame counts the same, as in NeMo
    noam(config, width=sizes["width"], factor=5.0, weight_decay=0.0 if size == "small" else 1e-3)
    config.optimizer.schedule.warmup_steps = 25_000
    config.steps = 500_000
    return config
