"""TitaNet, a speaker model, at NeMo's sizes and with its recipe (Koluguri et al., 2022): "large" (22 M) or "small".

    jaxspeech train --config=titanet:small --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

Manifests have a "label", the speaker, beside "audio_filepath" and "duration". The evaluation set should hold other
speakers: its score is the equal error rate of all its pairs. config.augment.noise and rir take manifests of noises and
impulse responses. The sizes are NeMo's: without the classifier, large has 22.1 M parameters and small 6.8 M.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import any_type, base_config, pick, with_classes

FILTERS = {"large": {"filters": 1024}, "small": {"filters": 256}}


def blocks(filters: int, last: int = 3072, *, repeat: int = 3, end_dropout: float = 0.0) -> tuple[dict, ...]:
    """The blocks of a TitaNet, with squeeze and excitation over the whole recording.

    Args:
      filters: channels of all blocks but the last.
      last: channels of the last one.
      repeat: convolutions of each residual block, which have a dropout of 0.1.
      end_dropout: of the first and the last block.
    """
    middle = {"filters": filters, "repeat": repeat, "residual": True, "dropout": 0.1}
    first, end = {"filters": filters, "kernel": 3}, {"filters": last, "kernel": 1}
    sizes = [first | {"dropout": end_dropout}, *(middle | {"kernel": kernel} for kernel in (7, 11, 15))]
    sizes.append(end | {"dropout": end_dropout})
    return tuple({"separable": True, "squeeze_excite": True} | size for size in sizes)


def get_config(size: str = "large") -> ConfigDict:
    config = with_classes(base_config())
    config.speakers = {"of_speeds": False}  # whether a speed makes different speakers
    filters = pick(FILTERS, size, recipe="titanet")["filters"]
    config.model = ConfigDict(
        {
            "task": "speaker",
            "features": {"name": "mel", "num_mels": 80},
            "spec_augment": {"freq_masks": 3, "freq_width": 4, "time_masks": 5, "time_width": 0.03},
            "encoder": {"name": "jasper", "blocks": blocks(filters)},
            "decoder": {"name": "speaker", "pooling": "attention", "embedding_widths": (192,), "num_classes": 0},
            "loss": {"scale": 30.0, "margin": 0.2},
        }
    )
    config.data.train = any_type("data/train.jsonl")
    config.data.eval = {"dev": "data/dev.jsonl"}
    config.data.max_seconds = 20.0
    config.augment.speed = (0.95, 1.0, 1.05)
    config.optimizer = ConfigDict(
        {
            "name": "sgd",
            "learning_rate": 0.08,
            "momentum": 0.9,
            "weight_decay": 2e-4 if size == "large" else 1e-3,
            "clip_norm": 1.0,
            "schedule": {"name": "cosine", "warmup_ratio": 0.1, "min_learning_rate": 0.0},
        }
    )
    return config
