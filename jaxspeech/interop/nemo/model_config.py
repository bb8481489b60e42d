"""Translates NeMo's model_config.yaml to our `model` configuration and back, for all families.

Settings that the tables of a family do not know (data sets, optimizer, options of the decoding, ...) are kept if the
model came from NeMo. Before a configuration is written it is read back, and one error reports all fields that would
change.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.families import BY_CLASS, family_of_model, family_of_nemo
from jaxspeech.interop.nemo.families.family import Family, Source
from jaxspeech.interop.nemo.lost_fields import lost_fields
from jaxspeech.interop.nemo.sections.read import class_name

VERSION = "3.0.0"  # the version of NeMo that our files are written for


class NemoConfig(NamedTuple):
    """The result of `to_nemo`.

    Attributes:
      config: the content of model_config.yaml.
      files: the members of the .nemo file that it names.
      model: our configuration as it will be when the file is read again.
    """

    config: dict[str, Any]
    files: Mapping[str, bytes]
    model: dict[str, Any]


def from_nemo(config: Mapping[str, Any]) -> tuple[Family, dict[str, Any]]:
    """Returns the family of NeMo's configuration, and the `model` configuration that `build` takes.

    Raises:
      ArchiveError: some values or arguments have no counterpart here; lists all of them in one line.
    """
    family, problems = family_of_nemo(config), []
    model = family.to_model(config, problems)
    if problems:
        raise ArchiveError(f"not supported: {'; '.join(problems)}")
    return family, model


def to_nemo(source: Source, base: Mapping[str, Any]) -> NemoConfig:
    """Translates a model to NeMo's configuration.

    Args:
      source: the model.
      base: the configuration that it came with; {} if it did not come from NeMo.
    Raises:
      ArchiveError: some of it has no counterpart in NeMo; lists all of that in one line.
    """
    family, problems = family_of_model(source.config, source.assets), []
    written = family.to_nemo(source, base, problems)
    before = BY_CLASS.get(class_name(base.get("target")), family)
    own = {*family.sections, *before.sections}
    config = {**family.defaults, **{key: value for key, value in base.items() if key not in own}}
    config["target"] = f"nemo.collections.{family.classes[written.nemo_class]}.{written.nemo_class}"
    config |= {"nemo_version": VERSION, **written.sections}
    model: dict[str, Any] = {}
    if not problems:
        family, model = from_nemo(config)
        model = family.completed(model, source.assets)
        problems = lost_fields(family.parts, source.config, source.module, build(model).model)
    if problems:
        raise ArchiveError(f"NeMo has no counterpart of {'; '.join(problems)}")
    return NemoConfig(config, written.files, model)
