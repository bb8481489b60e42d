"""A model's configuration to its Task. The tables below are all there is to it; a misspelt name is told with its place.

    {"task": "ctc", "features": {"name": "mel", ...}, "spec_augment": {...}, "encoder": {"name": "fastconformer", ...},
     "decoder": {"name": "ctc", "vocab_size": 1024}}

Apart from `name`, which picks the module, every key is a field of that module. A transducer has, besides, the sections
`loss` and `search`; a hybrid also the number `ctc_weight`. `product_dtype` is `AcousticModel`'s.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxspeech.decoders.ctc import CTCHead
from jaxspeech.decoders.transducer import TransducerDecoder
from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.encoders.jasper import Block, Jasper
from jaxspeech.encoders.lstm import LSTMEncoder
from jaxspeech.encoders.squeezeformer import Squeezeformer
from jaxspeech.encoders.transformer import Transformer
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.features.mfcc import MFCC
from jaxspeech.features.specaugment import SpecAugment
from jaxspeech.tasks.ctc import CTCModel, ctc_task
from jaxspeech.tasks.hybrid import HybridModel, HybridSearch, hybrid_task
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.transducer import TransducerLoss, TransducerModel, TransducerSearch, transducer_task


class Kind(NamedTuple):
    """A task: its model, its functions, the decoder that it takes, and what it has besides.

    Attributes:
      sections: key -> class of the options under it; each may be left out.
      values: keys of plain values that the model takes.
    """

    model: Any
    task: Callable[[Any], Task]
    decoder: str
    sections: Mapping[str, Any] = MappingProxyType({})
    values: tuple[str, ...] = ()


FEATURES = {"mel": MelSpectrogram, "mfcc": MFCC}
ENCODERS = {
    "fastconformer": FastConformer,
    "jasper": Jasper,
    "lstm": LSTMEncoder,
    "squeezeformer": Squeezeformer,
    "transformer": Transformer,
}
DECODERS = {"ctc": CTCHead, "transducer": TransducerDecoder}
TASKS = {
    "ctc": Kind(CTCModel, ctc_task, "ctc"),
    "transducer": Kind(
        TransducerModel, transducer_task, "transducer", {"loss": TransducerLoss, "search": TransducerSearch}
    ),
    "hybrid": Kind(
        HybridModel, hybrid_task, "transducer", {"loss": TransducerLoss, "search": HybridSearch}, ("ctc_weight",)
    ),
}
PARTS = {"frontend": ("features", FEATURES), "encoder": ("encoder", ENCODERS), "decoder": ("decoder", DECODERS)}
# Fields that are lists of sections.
LISTS: dict[Any, dict[str, Any]] = {Jasper: {"blocks": Block}}
DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float16": jnp.float16}
MODULE_FIELDS = ("parent", "name")
PLAIN = (bool, int, float, str, tuple)


def build(config: Any) -> Task:
    """The Task that a configuration describes: a plain dict, or an ml_collections ConfigDict.

    Raises:
      ConfigError: a missing, misspelt or unusable entry; says which, where, and the nearest right one.
    """
    config = plain(config)
    kind = _pick(TASKS, config.get("task"), place="model.task")
    sections = {"spec_augment": SpecAugment, **kind.sections}
    _check_names(
        config, {"task", "product_dtype", *sections, *kind.values, *(key for key, _ in PARTS.values())}, place="model"
    )
    parts = {field: _module(table, config.get(key), f"model.{key}") for field, (key, table) in PARTS.items()}
    if not isinstance(parts["decoder"], DECODERS[kind.decoder]):
        raise ConfigError(f"model.decoder.name must be {kind.decoder!r} where model.task is {config['task']!r}")
    for key, section in sections.items():
        if config.get(key):
            parts[key] = _construct(section, config[key], f"model.{key}")
    values = {key: config[key] for key in kind.values if key in config}
    if config.get("product_dtype"):
        values["product_dtype"] = _pick(DTYPES, config["product_dtype"], place="model.product_dtype")
    return kind.task(kind.model(**parts, **values))


def plain(config: Any) -> Any:
    """Nested mappings and sequences as plain dicts and tuples, so that modules can be hashed."""
    if hasattr(config, "to_dict"):  # a ConfigDict, which is no Mapping
        config = config.to_dict()
    if isinstance(config, Mapping):
        return {key: plain(value) for key, value in config.items()}
    return tuple(plain(value) for value in config) if isinstance(config, (list, tuple)) else config


def with_defaults(config: Any) -> dict[str, Any]:
    """The same model with every plain field of features, encoder and decoder, so that each can be changed by name."""
    config = plain(config)
    for key, table in PARTS.values():
        fields = config.get(key)
        if isinstance(fields, Mapping) and fields.get("name") in table:
            known = table[fields["name"]].__dataclass_fields__.values()
            defaults = {
                f.name: f.default for f in known if isinstance(f.default, PLAIN) and f.name not in MODULE_FIELDS
            }
            config[key] = {**defaults, **fields}
    return config


def _module(table: Mapping[str, Any], fields: Any, place: str) -> Any:
    if not isinstance(fields, Mapping):
        raise ConfigError(f"{place} is missing: give it a name ({', '.join(table)}) and its fields")
    fields = dict(fields)
    return _construct(_pick(table, fields.pop("name", None), place=f"{place}.name"), fields, place)


def _construct(module_class: Any, fields: Mapping[str, Any], place: str) -> Any:
    known = {n: f for n, f in module_class.__dataclass_fields__.items() if n not in MODULE_FIELDS}
    _check_names(fields, known, place=place)
    fields = dict(fields)
    if "dtype" in fields:
        fields["dtype"] = _pick(DTYPES, fields["dtype"], place=f"{place}.dtype")
    for key, section in LISTS.get(module_class, {}).items():
        fields[key] = _sections(section, fields.get(key, ()), f"{place}.{key}")
    try:
        return module_class(**fields)
    except TypeError as error:
        raise ConfigError(f"{place}: {error}".replace(f"{module_class.__name__}.__init__() ", "")) from error


def _sections(section: Any, items: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(items, tuple) or not all(isinstance(item, Mapping) for item in items):
        raise ConfigError(f"{place} must be a list of sections")
    return tuple(_construct(section, item, f"{place}[{i}]") for i, item in enumerate(items))


def _pick(table: Mapping[str, Any], name: Any, *, place: str) -> Any:
    if name not in table:
        raise ConfigError(f"{place} cannot be {name!r}{did_you_mean(str(name), table)}")
    return table[name]


def _check_names(given: Iterable[str], known: Iterable[str], *, place: str) -> None:
    known = list(known)
    for name in given:
        if name not in known:
            raise ConfigError(f"{place}.{name} is not a field{did_you_mean(name, known)}")
