"""The parts that a task's configuration names: tables of modules, and the record that lists a task's keys."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxspeech.decoders.causal_transformer import CausalTransformer
from jaxspeech.decoders.connector import ConformerConnector
from jaxspeech.decoders.language_prompt import LanguagePrompt
from jaxspeech.decoders.transducer import TransducerDecoder
from jaxspeech.encoders.ecapa import ECAPA
from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.encoders.jasper import Jasper
from jaxspeech.encoders.jasper_block import Block
from jaxspeech.encoders.lstm import LSTMEncoder
from jaxspeech.encoders.squeezeformer import Squeezeformer
from jaxspeech.encoders.transformer import Transformer
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.features.mfcc import MFCC
from jaxspeech.features.specaugment import SpecAugment
from jaxspeech.nn.adapter import Adapter
from jaxspeech.nn.low_rank import LoraOptions
from jaxspeech.nn.rotary import Rope
from jaxspeech.tasks.encoder_layers import EncoderLayers
from jaxspeech.tasks.task import Task


class Part(NamedTuple):
    """A module of a model.

    Attributes:
      field: the field of the model that holds it.
      table: the modules that its `name` selects from.
    """

    field: str
    table: Mapping[str, Any]


class Kind(NamedTuple):
    """The keys of a task's configuration, and how the model and the Task are built from them.

    Attributes:
      model: class of the module.
      task: module -> Task.
      parts: key -> the part under it; all are required.
      sections: key -> class of the options under it; each may be omitted.
      values: key -> table from names to the model's values, or None for a plain value.
      models: key -> the field that gets the Task of the whole model whose configuration is under it; all are required.
        The model's variables are the branch of this key in every collection (see `tasks.branches`).
    """

    model: Any
    task: Callable[[Any], Task]
    parts: Mapping[str, Part]
    sections: Mapping[str, Any] = MappingProxyType({})
    values: Mapping[str, Mapping[str, Any] | None] = MappingProxyType({})
    models: Mapping[str, str] = MappingProxyType({})


DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float16": jnp.float16}
MEL = Part("features", {"mel": MelSpectrogram})
FEATURES = Part("frontend", {"mel": MelSpectrogram, "mfcc": MFCC})
# In place of features of the signal alone, those of another model's encoder.
LAYERS = Part("frontend", {**FEATURES.table, "encoder_layers": EncoderLayers})
ENCODER = Part(
    "encoder",
    {
        "ecapa": ECAPA,
        "fastconformer": FastConformer,
        "jasper": Jasper,
        "lstm": LSTMEncoder,
        "squeezeformer": Squeezeformer,
        "transformer": Transformer,
    },
)
# The parts of every model with an acoustic encoder (tasks/acoustic.py).
TRUNK = {"features": LAYERS, "encoder": ENCODER}
MASKS = {"spec_augment": SpecAugment}
LANGUAGE_PROMPT = {"language_prompt": LanguagePrompt}
PRODUCTS = {"product_dtype": DTYPES}
# Fields that are lists of sections.
LISTS: dict[Any, dict[str, Any]] = {
    Jasper: {"blocks": Block, "adapters": Adapter},
    FastConformer: {"adapters": Adapter},
    TransducerDecoder: {"prediction_adapters": Adapter, "joint_adapters": Adapter},
}
# Fields that are parts, or sections, of a part.
PARTS_WITHIN: dict[Any, dict[str, Part]] = {
    EncoderLayers: {"features": MEL, "encoder": ENCODER},
    ConformerConnector: {"encoder": Part("encoder", {"fastconformer": FastConformer})},
}
SECTIONS_WITHIN: dict[Any, dict[str, Any]] = {
    CausalTransformer: {"rope": Rope, "lora": LoraOptions},
    EncoderLayers: {"spec_augment": SpecAugment},
}
