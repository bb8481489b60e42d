"""Chooses which of a model's adapters are applied."""

from collections.abc import Iterable

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.surgery.stated import changed

# The parts of a model with adapters, and their fields.
PLACES = (("encoder", "adapters"), ("decoder", "prediction_adapters"), ("decoder", "joint_adapters"))


def change_adapters(archive: Archive, names: Iterable[str]) -> Archive:
    """Returns the model with these adapters applied, and no others; its variables are those of all of them.

    Args:
      archive: a model with `adapters` in its encoder, or in the prediction network or the joint of a transducer.
      names: of the adapters; none for the model without them.

    Raises:
      ConfigError: the model has no such adapter.
    """
    places = [(part, field) for part, field in PLACES if archive.model.get(part, {}).get(field)]
    known = [adapter["name"] for part, field in places for adapter in archive.model[part][field]]
    wanted = list(names)
    if not known:
        raise ConfigError("this model has no adapters (encoder.adapters)")
    for name in wanted:
        if name not in known:
            raise ConfigError(f"this model has no adapter {name!r}{did_you_mean(name, known)}")
    model = dict(archive.model)
    for part, field in places:
        chosen = tuple(dict(adapter) | {"enabled": adapter["name"] in wanted} for adapter in model[part][field])
        model[part] = {**model[part], field: chosen}
    build(model)  # checks the fields
    return changed(archive, model=model, variables=archive.variables)
