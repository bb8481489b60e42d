"""Builds a Task from a model's configuration, with the literal table TASKS.

    {"task": "ctc", "features": {"name": "mel", ...}, "spec_augment": {...}, "encoder": {"name": "fastconformer", ...},
     "decoder": {"name": "ctc", "vocab_size": 1024}}

A *part* is a module of the model: `name` selects it from the part's table, and every other key is a field of that
module. A *section* holds options of a fixed class, and may be omitted; a *value* is a plain field of the model; a
*model* is the configuration of another task, of which this one is made. A misspelled key raises an error with its path
and the nearest valid key.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.table import Table
from jaxspeech.tasks.parts import DTYPES, LISTS, PARTS_WITHIN, SECTIONS_WITHIN, Kind
from jaxspeech.tasks.task import Task

TASKS: Table[Kind] = Table(
    {
        "attention": "jaxspeech.tasks.attention:ATTENTION",
        "causal_lm": "jaxspeech.tasks.causal_lm:CAUSAL_LM",
        "classification": "jaxspeech.tasks.classification:CLASSIFICATION",
        "codec": "jaxspeech.tasks.codec:CODEC",
        "contrastive": "jaxspeech.tasks.contrastive:CONTRASTIVE",
        "ctc": "jaxspeech.tasks.ctc:CTC",
        "enhancement": "jaxspeech.tasks.enhancement:ENHANCEMENT",
        "frame_classification": "jaxspeech.tasks.frame_classification:FRAME_CLASSIFICATION",
        "generative_enhancement": "jaxspeech.tasks.generative_enhancement:GENERATIVE_ENHANCEMENT",
        "hybrid": "jaxspeech.tasks.hybrid:HYBRID",
        "hybrid_text": "jaxspeech.tasks.hybrid_text:HYBRID_TEXT",
        "language_model": "jaxspeech.tasks.language_model:LANGUAGE_MODEL",
        "multitalker": "jaxspeech.tasks.multitalker:MULTITALKER",
        "pretrain": "jaxspeech.tasks.pretrain:PRETRAIN",
        "regression": "jaxspeech.tasks.regression:REGRESSION",
        "sortformer": "jaxspeech.tasks.sortformer:SORTFORMER",
        "speaker": "jaxspeech.tasks.speaker:SPEAKER",
        "speech": "jaxspeech.tasks.speech:SPEECH",
        "speech_lm": "jaxspeech.tasks.speech_lm:SPEECH_LM",
        "transducer": "jaxspeech.tasks.transducer:TRANSDUCER",
        "vocoder": "jaxspeech.tasks.vocoder:VOCODER",
        "voice": "jaxspeech.tasks.voice:VOICE",
    }
)
MODULE_FIELDS = ("parent", "name")
PLAIN = (bool, int, float, str, tuple)


def build(config: Any) -> Task:
    """Builds the Task of a configuration, which is a plain dict or an ml_collections ConfigDict.

    Raises:
      ConfigError: a missing, misspelled or invalid entry; the message has its path and the nearest valid one.
    """
    return _task(plain(config), "model")


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
    for key in kind.models if kind else ():
        if isinstance(config.get(key), Mapping):
            config[key] = with_defaults(config[key])
    return config


def _task(config: Any, place: str) -> Task:
    if not isinstance(config, Mapping):
        raise ConfigError(f"{place} is missing: it is the configuration of a whole model, with its task")
    kind = _pick(TASKS, config.get("task"), place=f"{place}.task")
    _check_names(config, {"task", *kind.parts, *kind.models, *kind.sections, *kind.values}, place=place)
    fields = {part.field: _module(part.table, config.get(key), f"{place}.{key}") for key, part in kind.parts.items()}
    for key, field in kind.models.items():
        fields[field] = _task(config.get(key), f"{place}.{key}")
    for key, section in kind.sections.items():
        if config.get(key):
            fields[key] = _construct(section, config[key], f"{place}.{key}")
    for key, table in kind.values.items():
        if config.get(key) is not None:
            fields[key] = config[key] if table is None else _pick(table, config[key], place=f"{place}.{key}")
    return kind.task(kind.model(**fields))


def _module(table: Mapping[str, Any], fields: Any, place: str) -> Any:
    if not isinstance(fields, Mapping):
        raise ConfigError(f"{place} is missing: give it a name ({', '.join(table)}) and its fields")
    fields = dict(fields)
    return _construct(_pick(table, fields.pop("name", None), place=f"{place}.name"), fields, place)


def _construct(module_class: Any, fields: Mapping[str, Any], place: str) -> Any:
    # Modules and options are dataclasses; options can be NamedTuples too.
    every = getattr(module_class, "__dataclass_fields__", None) or module_class._fields
    hidden = MODULE_FIELDS if "parent" in every else ()  # a name that is no module's is an option
    known = [name for name in every if name not in hidden]
    _check_names(fields, known, place=place)
    given, fields = fields, dict(fields)
    if "dtype" in fields:
        fields["dtype"] = _pick(DTYPES, fields["dtype"], place=f"{place}.dtype")
    for key, section in LISTS.get(module_class, {}).items():
        fields[key] = _sections(section, fields.get(key, ()), f"{place}.{key}")
    for key, part in PARTS_WITHIN.get(module_class, {}).items():
        fields[key] = _module(part.table, fields.get(key), f"{place}.{key}")
    for key, section in SECTIONS_WITHIN.get(module_class, {}).items():
        if fields.pop(key, None):
            fields[key] = _construct(section, given[key], f"{place}.{key}")
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
