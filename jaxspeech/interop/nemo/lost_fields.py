"""Finds the fields of a model that would be lost in NeMo's configuration."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.families.family import NemoPart
from jaxspeech.interop.nemo.sections.arguments import Section
from jaxspeech.interop.nemo.sections.write import fields_of, fitting

# Fields that change only time and memory, and results only by rounding; those for which there are remarks; and the
# language that is spoken, which NeMo asks for when it transcribes.
REMARKED = ("frames_after", "padded_to", "normalize_weights")
WITHOUT_EFFECT = (*REMARKED, "language", "scan_layers", "remat", "dtype", "parent", "name", "spare_outputs")
WITHOUT_EFFECT += ("kernel_norm",)  # of a vocoder: NeMo's form of it is restored


def lost_fields(parts: Mapping[str, NemoPart], model: Mapping[str, Any], module: Any, returned: Any) -> list[str]:
    """Lists each field of the parts that would return with a different value, with both values.

    Args:
      parts: sections of our configuration, and what they are built into.
      model: our configuration.
      module: the module built from it.
      returned: the module built from it after it was written and read.
    """
    lost = []
    for place, part in parts.items():
        ours, theirs = (getattr(whole, part.field) for whole in (module, returned))
        if ours is None:
            continue
        before, after = fields_of(ours), fields_of(theirs)
        unused = _of_other_classes(part.classes, model.get(place, {}).get("name", ""), before)
        for name, value in before.items():
            skipped = name in WITHOUT_EFFECT or name in unused or _trains_only(name, ours)
            if value != after[name] and not skipped:
                lost.append(f"{place}.{name} {value!r} (it would return as {after[name]!r})")
    return lost


def _of_other_classes(table: Mapping[str, Section], name: str, fields: Mapping[str, Any]) -> set[str]:
    """Our fields that are not used: where one module of ours is several NeMo classes, those of the other classes."""
    used, others, candidates = set(), set(), fitting(table, name, fields)
    for class_name, section in table.items():
        if section.name == name:
            known = used if class_name in candidates else others
            known |= {argument.ours for argument in section.arguments if argument.ours}
    return others - used


def _trains_only(field: str, module: Any) -> bool:
    """Whether a field has an effect in training only; a group norm counts the padding in inference too."""
    counts_padding = field == "norm_over_padding" and getattr(module, "conv_norm", "batch") != "group"
    return counts_padding or field == "chunk_context_share"
