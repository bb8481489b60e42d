"""Builds a Task from a model's configuration, with the literal table TASKS.

    {"task": "ctc", "features": {"name": "mel", ...}, "spec_augment": {...}, "encoder": {"name": "fastconformer", ...},
     "decoder": {"name": "ctc", "vocab_size": 1024}}

A *part* is a module of the model: `name` selects it from the part's table, and every other key is a field of that
module. A *section* holds options of a fixed class, and may be omitted; a *value* is a plain field of the model. A
misspelled key raises an error with its path and the nearest valid key.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxspeech.decoders.ctc import CTCHead
from jaxspeech.decoders.transducer import TransducerDecoder
from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.encoders.jasper import Jasper
from jaxspeech.encoders.jasper_block import Block
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
    """

    model: Any
    task: Callable[[Any], Task]
    parts: Mapping[str, Part]
    sections: Mapping[str, Any] = MappingProxyType({})
    values: Mapping[str, Mapping[str, Any] | None] = MappingProxyType({})


DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float16": jnp.float16}
FEATURES = Part("frontend", {"mel": MelSpectrogram, "mfcc": MFCC})
ENCODER = Part(
    "encoder",
    {
        "fastconformer": FastConformer,
        "jasper": Jasper,
        "lstm": LSTMEncoder,
        "squeezeformer": Squeezeformer,
        "transformer": Transformer,
    },
)
# The parts of every model with an acoustic encoder (tasks/acoustic.py).
TRUNK = {"features": FEATURES, "encoder": ENCODER}
MASKS = {"spec_augment": SpecAugment}
PRODUCTS = {"product_dtype": DTYPES}
CTC = Part("decoder", {"ctc": CTCHead})
TRANSDUCER = Part("decoder", {"transducer": TransducerDecoder})

TASKS: dict[str, Kind] = {
    "ctc": Kind(CTCModel, ctc_task, {**TRUNK, "decoder": CTC}, MASKS, PRODUCTS),
    "transducer": Kind(
        TransducerModel,
        transducer_task,
        {**TRUNK, "decoder": TRANSDUCER},
        {**MASKS, "loss": TransducerLoss, "search": TransducerSearch},
        PRODUCTS,
    ),
    "hybrid": Kind(
        HybridModel,
        hybrid_task,
        {**TRUNK, "decoder": TRANSDUCER},
        {**MASKS, "loss": TransducerLoss, "search": HybridSearch},
        {**PRODUCTS, "ctc_weight": None},
    ),
}
# Fields that are lists of sections.
LISTS: dict[Any, dict[str, Any]] = {Jasper: {"blocks": Block}}
MODULE_FIELDS = ("parent", "name")
PLAIN = (bool, int, float, str, tuple)


def build(config: Any) -> Task:
    """Builds the Task of a configuration, which is a plain dict or an ml_collections ConfigDict.

    Raises:
      ConfigError: a missing, misspelled or invalid entry; the message has its path and the nearest valid one.
    """
    config = plain(config)
    kind = _pick(TASKS, config.get("task"), place="model.task")
    _check_names(config, {"task", *kind.parts, *kind.sections, *kind.values}, place="model")
    fields = {part.field: _module(part.table, config.get(key), f"model.{key}") for key, part in kind.parts.items()}
    for key, section in kind.sections.items():
        if config.get(key):
            fields[key] = _construct(section, config[key], f"model.{key}")
    for key, table in kind.values.items():
        if config.get(key) is not None:
            fields[key] = config[key] if table is None else _pick(table, config[key], place=f"model.{key}")
    return kind.task(kind.model(**fields))


def plain(config: Any) -> Any:
    """Converts nested mappings and sequences to plain dicts and tuples, so that modules can be hashed."""
    if hasattr(config, "to_dict"):  # a ConfigDict, which is not a Mapping
        config = config.to_dict()
    if isinstance(config, Mapping):
        return {key: plain(value) for key, value in config.items()}
    return tuple(plain(value) for value in config) if isinstance(config, (list, tuple)) else config


def with_defaults(config: Any) -> dict[str, Any]:
    """Returns the configuration with the default of every plain field of its parts, to be overridden by name."""
    config = plain(config)
    kind = TASKS.get(config.get("task"))
    for key, part in kind.parts.items() if kind else ():
        fields = config.get(key)
        if isinstance(fields, Mapping) and fields.get("name") in part.table:
            known = part.table[fields["name"]].__dataclass_fields__.values()
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
