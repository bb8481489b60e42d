"""Describes one family of NeMo's models: everything that is needed to read and write its .nemo files."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from jaxspeech.assets import Assets
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.sections.arguments import Section
from jaxspeech.interop.nemo.weights.derived import Derived
from jaxspeech.interop.nemo.weights.rows import TensorRow
from jaxspeech.types import Variables


class NemoPart(NamedTuple):
    """A section of our `model` configuration, and the NeMo classes that it can correspond to.

    Attributes:
      field: the field of the task's module that is built from it.
      classes: the tables of these classes by name.
    """

    field: str
    classes: Mapping[str, Section]


class Source(NamedTuple):
    """A model of ours to write.

    Attributes:
      config: as `build` takes it.
      module: the Flax module that was built from it.
      assets: what it owns besides its variables.
      has_aligner: whether a second model is written to the same file, see `Archive.aligner`.
    """

    config: Mapping[str, Any]
    module: Any
    assets: Assets
    has_aligner: bool = False


class Written(NamedTuple):
    """A model in NeMo's form, without its weights.

    Attributes:
      nemo_class: the name of its class.
      sections: keys of model_config.yaml and their values, in order.
      files: the members of the .nemo file that the sections name.
    """

    nemo_class: str
    sections: Mapping[str, Any]
    files: Mapping[str, bytes]


class Family(NamedTuple):
    """The NeMo classes of one task of ours. What cannot be translated is added to `problems`, an entry for each place.

    Attributes:
      task: ours.
      classes: NeMo's classes and the modules that they are in, below nemo.collections.
      sections: the keys of NeMo's configuration that describe the model itself; those that `to_nemo` does not write are
        not kept from the configuration that a model came with.
      to_model: (NeMo's configuration, problems) -> our `model` configuration.
      to_nemo: (model, NeMo's configuration that it came with or {}, problems) -> the model in NeMo's form.
      assets: (file, its configuration, our `model` configuration) -> what the model owns besides its variables.
      completed: (our `model` configuration, assets) -> the configuration with the fields that follow from the assets.
      rows: our `model` configuration -> the rows that map its tensors.
      parts: sections of our configuration whose fields must be the same after writing and reading.
      derived: module -> tensors of the file that are not variables, but follow from the configuration.
      written: module -> further tensors to write, which are not checked when a file is read.
      with_stored: (our `model` configuration, the checkpoint's tensors) -> it with what only the tensors say.
      renamed: (our `model` configuration, the checkpoint's tensors) -> the tensors under the names of today, where
        older files have others.
      folded: (model, its variables) -> the variables with which NeMo computes the same.
      defaults: NeMo's configuration for a model that did not come with one.
      remarks: model -> what NeMo does differently with its file, a sentence each.
      suits: our `model` configuration -> whether it is written as one of these classes; if not, the next family of the
        task is asked.
      takes: assets -> whether a model of ours that has them is written as one of these classes. If not, the next family
        of the task is asked.
    """

    task: str
    classes: Mapping[str, str]
    sections: tuple[str, ...]
    to_model: Callable[[Mapping[str, Any], list[str]], dict[str, Any]]
    to_nemo: Callable[[Source, Mapping[str, Any], list[str]], Written]
    assets: Callable[[NemoFile, Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]
    rows: Callable[[Mapping[str, Any]], list[TensorRow]]
    parts: Mapping[str, NemoPart]
    completed: Callable[[dict[str, Any], Assets], dict[str, Any]] = lambda model, assets: model
    derived: Callable[[Any], Derived] = lambda module: {}
    written: Callable[[Any], Derived] = lambda module: {}
    with_stored: Callable[[dict[str, Any], Mapping[str, Any]], dict[str, Any]] = lambda model, tensors: model
    renamed: Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, Any]] = lambda model, tensors: tensors
    folded: Callable[[Source, Variables], Variables] = lambda source, variables: variables
    defaults: Mapping[str, Any] = MappingProxyType({})
    remarks: Callable[[Source], list[str]] = lambda source: []
    suits: Callable[[Mapping[str, Any]], bool] = lambda model: True
    takes: Callable[[Assets], bool] = lambda assets: True
