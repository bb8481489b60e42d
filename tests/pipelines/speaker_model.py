"""Random speaker models: TitaNet, SpeakerNet and ECAPA-TDNN with a few channels."""

from jaxspeech.archive import Archive
from jaxspeech.text.classes import Classes
from tests.interop.random_model import random_variables

RATE = 16000
BLOCKS = [
    {"filters": 8, "kernel": 3, "separable": True, "squeeze_excite": True, "se_reduction": 2},
    {"filters": 8, "kernel": 7, "repeat": 2, "separable": True, "residual": True, "squeeze_excite": True},
    {"filters": 12, "kernel": 1, "separable": True},
]
MODEL = {
    "task": "speaker",
    "features": {"name": "mel", "num_mels": 16, "dither": 0.0},
    "encoder": {"name": "jasper", "blocks": BLOCKS},
    "decoder": {"name": "speaker", "attention_width": 4, "embedding_widths": [6], "num_classes": 3},
}
STATISTICS = {"decoder": MODEL["decoder"] | {"pooling": "statistics", "angular": False, "embedding_widths": [5, 6]}}
ECAPA = {"encoder": {"name": "ecapa", "filters": [8, 8, 8], "kernels": [5, 3, 3], "dilations": [1, 1, 2], "groups": 2}}
MODELS = {"titanet": MODEL, "speakernet": MODEL | STATISTICS, "ecapa": MODEL | ECAPA}


def speaker_archive(name: str = "titanet", **metadata) -> Archive:
    model = MODELS[name]
    return Archive(model, {"classes": Classes(["ann", "bob", "eve"])}, random_variables(model), metadata)
