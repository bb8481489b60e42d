"""TitaNet on the layers of a trained encoder in place of mel frames: a recogniser's, or one of pretraining.

    jaxspeech train --config=titanet_on_encoder:asr.jaxspeech --config.data.train=train.jsonl \\
        --config.data.eval.dev=dev.jsonl
    ... --config=titanet_on_encoder:asr.jaxspeech,large

The encoder is frozen; a weight for each of its layers is learnt (config.model.features.aggregate, "weighted_sum").
Fewer layers: --config.model.features.layers="(3, 7)". With --config.model.features.frozen=False it is trained too. The
frames are the encoder's, 80 ms apart in a FastConformer: the recordings should be longer than a second.

NeMo's recipe is nest_titanet_small.yaml: small, with masks of the mel frames. Manifests are as for titanet.
Not run on data of that size here; tests/tasks/test_encoder_layers.py takes a step of a small one.
"""

from ml_collections import ConfigDict

from jaxspeech.configs import titanet
from jaxspeech.configs.base import any_type
from jaxspeech.loading import read_model
from jaxspeech.surgery.encoder_features import encoder_features

SIZE = "small"


def get_config(model: str = "") -> ConfigDict:
    name, _, size = model.partition(",")
    if not name:
        raise ValueError(
            "configs/titanet_on_encoder.py: name a model, as in configs/titanet_on_encoder.py:asr.jaxspeech"
        )
    config = titanet.get_config(size or SIZE)
    features = encoder_features(read_model(name))
    features["spec_augment"] = config.model.spec_augment.to_dict()
    features["layers"] = any_type(features["layers"])
    config.model.features = ConfigDict(features)
    del config.model.spec_augment
    config.init.features = name
    return config
