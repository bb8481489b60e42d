"""Chooses which of a model's adapters are applied."""

from collections.abc import Iterable
from typing import Any

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.surgery.stated import changed


def change_adapters(archive: Archive, names: Iterable[str]) -> Archive:
    """Returns the model with these adapters applied, and no others; its variables are those of all of them.

    Args:
      archive: a FastConformer or Conformer with `adapters`.
      names: of the adapters; none for the model without them.

    Raises:
      ConfigError: the model has no such adapter.
    """
    encoder: dict[str, Any] = archive.model["encoder"]
    adapters = [dict(adapter) for adapter in encoder.get("adapters", ())]
    known, wanted = [adapter["name"] for adapter in adapters], list(names)
    if not known:
        raise ConfigError("this model has no adapters (encoder.adapters)")
    for name in wanted:
        if name not in known:
            raise ConfigError(f"this model has no adapter {name!r}{did_you_mean(name, known)}")
    chosen = tuple(adapter | {"enabled": adapter["name"] in wanted} for adapter in adapters)
    model = {**archive.model, "encoder": {**encoder, "adapters": chosen}}
    build(model)  # checks the fields
    return changed(archive, model=model, variables=archive.variables)
