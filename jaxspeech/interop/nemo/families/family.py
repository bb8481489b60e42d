"""One family of NeMo's models: all that reading and writing its .nemo files takes."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from jaxspeech.assets import Assets
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.sections.arguments import Section
from jaxspeech.interop.nemo.weights.derived import Derived
from jaxspeech.interop.nemo.weights.rows import TensorRow


class NemoPart(NamedTuple):
    """A section of our `model` configuration, and the classes of NeMo that it can be.

    Attributes:
      field: the field of the task's module that is built from it.
      classes: these classes by name, with their tables.
    """

    field: str
    classes: Mapping[str, Section]


class Source(NamedTuple):
    """A model of ours that is to be written.

    Attributes:
      config: as `build` takes it.
      module: the Flax module that was built from it.
      assets: what it owns beside its variables.
    """

    config: Mapping[str, Any]
    module: Any
    assets: Assets


class Written(NamedTuple):
    """A model as NeMo has it, but for its weights.

    Attributes:
      nemo_class: the name of its class.
      sections: keys of model_config.yaml and what stands there, in order.
      files: members of the .nemo file that the sections name.
    """

    nemo_class: str
    sections: Mapping[str, Any]
    files: Mapping[str, bytes]


class Family(NamedTuple):
    """Classes of NeMo that are one task here. What cannot be translated is added to `problems`, place by place.

    Attributes:
      task: ours.
      classes: NeMo's classes and the modules that they are in, below nemo.collections.
      sections: the keys of NeMo's configuration that describe the model itself; of those that `to_nemo` does not write,
        nothing is kept from the configuration that a model came with.
      to_model: (NeMo's configuration, problems) -> our `model` configuration.
      to_nemo: (model, NeMo's configuration that it came with or {}, problems) -> the same as NeMo has it.
      assets: (file, its configuration, our `model` configuration) -> what the model owns beside its variables.
      rows: our `model` configuration -> the map of its tensors.
      parts: sections of our configuration whose fields must return when what was written is read again.
      derived: module -> tensors of the file that are no variables, as they follow from the configuration.
      defaults: what NeMo's configuration says where the model did not come with one.
      remarks: model -> what NeMo does differently with its file, a sentence each.
    """

    task: str
    classes: Mapping[str, str]
    sections: tuple[str, ...]
    to_model: Callable[[Mapping[str, Any], list[str]], dict[str, Any]]
    to_nemo: Callable[[Source, Mapping[str, Any], list[str]], Written]
    assets: Callable[[NemoFile, Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]
    rows: Callable[[Mapping[str, Any]], list[TensorRow]]
    parts: Mapping[str, NemoPart]
    derived: Callable[[Any], Derived] = lambda module: {}
    defaults: Mapping[str, Any] = MappingProxyType({})
    remarks: Callable[[Source], list[str]] = lambda source: []
