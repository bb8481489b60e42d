"""Small models of the recipes with random weights, whose configurations are not from NeMo."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.text.aggregate import AggregateTokenizer
from jaxspeech.text.tokenizer import Tokenizer
from tests.interop.random_model import CHARACTERS, pieces_tokenizer, random_archive
from tests.test_configs import RECIPES


class OwnModel(NamedTuple):
    """A recipe, its tokenizer, and changes of its configuration by section.

    The tokenizer is "characters", "wordpiece", "aggregate" or the type of a SentencePiece model.
    """

    recipe: str
    tokenizer: str
    changes: Mapping[str, Mapping[str, Any]] = MappingProxyType({})


ADAPTERS = (
    {"name": "noise", "kind": "relative", "width": 16},
    {"name": "far", "kind": "attention", "num_heads": 2, "enabled": False},
    {"name": "german", "width": 4},
)
LINEAR = ({"name": "texts", "width": 6}, {"name": "german", "width": 4})
OWN_MODELS = {
    "quickstart": OwnModel("quickstart", "bpe"),
    "quickstart_tdt": OwnModel("quickstart:tdt", "bpe"),
    "fsdd": OwnModel("fsdd", "unigram"),
    "fsdd_tdt": OwnModel("fsdd_tdt", "characters"),
    "fastconformer_ctc": OwnModel("fastconformer_ctc", "characters"),
    "fastconformer_transducer": OwnModel("fastconformer_transducer", "characters"),
    "fastconformer_tdt": OwnModel("fastconformer_tdt", "unigram"),
    "fastconformer_hybrid": OwnModel("fastconformer_hybrid", "bpe"),
    "fastconformer_hybrid_tdt": OwnModel("fastconformer_hybrid:tdt", "characters"),
    "multiblank": OwnModel("conformer_multiblank", "characters"),
    "stateless": OwnModel("conformer_tdt_stateless", "bpe"),
    "conformer_hybrid": OwnModel("conformer_hybrid", "bpe"),
    "conformer_streaming": OwnModel("conformer_streaming", "bpe"),
    "fastconformer_streaming": OwnModel("fastconformer_streaming:large-hybrid", "bpe"),
    "beam_search": OwnModel("fastconformer_transducer", "bpe", {"search": {"beam_size": 3}}),
    "quartznet_15x5": OwnModel("quartznet_15x5", "characters"),
    "citrinet_256": OwnModel("citrinet", "bpe"),
    "contextnet_256": OwnModel("contextnet", "unigram"),
    "conformer_ctc": OwnModel("conformer_ctc", "bpe"),
    **{
        f"lstm_{kind}": OwnModel("lstm_ctc", "characters", {"encoder": {"subsampling": kind, "frames_after": 1}})
        for kind in ("striding", "dw_striding", "stacking", "stacking_norm")
    },
    "lstm_transducer": OwnModel("lstm_transducer", "characters", {"decoder": {"width": 64, "cell_width": None}}),
    "adapters": OwnModel("fastconformer_ctc", "bpe", {"encoder": {"adapter_width": 8, "adapters": ADAPTERS}}),
    "adapters_of_blocks": OwnModel("quartznet_15x5", "characters", {"encoder": {"adapters": LINEAR}}),
    "adapters_of_a_transducer": OwnModel(
        "fastconformer_transducer",
        "bpe",
        {
            "encoder": {"adapters": ADAPTERS[:1]},
            "decoder": {"prediction_adapters": LINEAR[:1], "joint_adapters": LINEAR[1:]},
        },
    ),
    "hat": OwnModel("fastconformer_transducer", "bpe", {"decoder": {"hat": True, "activation": "tanh"}}),
    "several_languages": OwnModel("fastconformer_transducer", "aggregate"),
}
# Applied to those of these fields that the encoder has.
SMALL = {"num_layers": 2, "width": 64, "num_heads": 4, "cell_width": 48, "dtype": "float32"}


def own_archive(name: str) -> Archive:
    """Builds a model of the recipe with few layers, in float32."""
    own = OWN_MODELS[name]
    model = RECIPES[own.recipe]().model.to_dict()
    encoder = model["encoder"]
    encoder |= {key: value for key, value in SMALL.items() if key in encoder}
    if "blocks" in encoder:
        encoder["blocks"] = (*encoder["blocks"][:2], *encoder["blocks"][-2:])
    model["decoder"]["dtype"] = "float32"
    model |= {part: model[part] | fields for part, fields in own.changes.items()}
    return random_archive(model, _tokenizer(own.tokenizer), seed=len(name))


def _tokenizer(kind: str) -> Tokenizer:
    match kind:
        case "characters":
            return CHARACTERS
        case "aggregate":
            return AggregateTokenizer({"en": pieces_tokenizer("bpe"), "de": pieces_tokenizer("unigram")})
    return pieces_tokenizer(kind)


def random_batch(archive: Archive) -> Utterances:
    """Generates three utterances of tones and noise with random labels; the last is shorter than a second.

    Their numbers of frames are multiples of every subsampling factor.
    """
    rng = np.random.default_rng(1)
    rate = build(archive.model).inference.sample_rate
    num_samples = np.array([224, 160, 88]) * rate // 100
    pitch = np.repeat(rng.uniform(0.005, 0.4, (3, 24)), rate // 10, axis=1)[:, : num_samples[0]]
    samples = 0.3 * np.sin(2 * np.pi * np.cumsum(pitch, axis=1)) + 0.05 * rng.standard_normal(pitch.shape)
    samples *= np.arange(samples.shape[1]) < num_samples[:, None]
    labels = rng.integers(0, archive.assets["tokenizer"].vocab_size, (3, 6)).astype(np.int32)
    count, index = np.array([6, 4, 2], np.int32), np.arange(3, dtype=np.int32)
    return Utterances(samples.astype(np.float32), num_samples.astype(np.int32), labels, count, index)
