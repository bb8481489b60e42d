"""NeMo's section `interctc`, of models with a CTC head, and our section of the same name (`tasks.ctc_trained`)."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.sections.arguments import integer, number
from jaxspeech.interop.nemo.sections.read import optional_section

# Theirs -> ours, and the check of one value; no layer or a weight is negative.
FIELDS = {
    "apply_at_layers": ("layers", integer(0, 1 << 14)),
    "loss_weights": ("weights", number(0, 1)),
}


def read_interctc(config: Mapping[str, Any], encoder: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Reads our section, {"interctc": {...}}; {} if there is none, or its lists are empty, which is NeMo's "off".

    Args:
      config: NeMo's.
      encoder: our fields for its encoder.
      problems: an entry is added for each place that has no counterpart.
    """
    given = optional_section(config, "interctc", problems)
    fields: dict[str, tuple[Any, ...]] = {}
    problems += [f"interctc.{name} (unknown)" for name in given if name not in FIELDS]
    for theirs, (ours, convert) in FIELDS.items():
        values = given.get(theirs) or []
        try:
            fields[ours] = tuple(convert(value) for value in values)
        except (TypeError, ValueError) as error:
            problems.append(f"interctc.{theirs} {values!r} ({error})")
            return {}
    layers, weights = fields["layers"], fields["weights"]
    if not layers and not weights:
        return {}
    depth = encoder.get("num_layers", len(encoder.get("blocks", ())))
    if len(layers) != len(weights) or len({*layers}) < len(layers):
        problems.append(f"interctc: {len(layers)} layers and {len(weights)} weights (each layer once, with its weight)")
    elif encoder and max(layers) >= depth:
        problems.append(f"interctc.apply_at_layers {list(layers)} (the encoder has layers 0 to {depth - 1})")
    elif sum(weights) >= 1:
        problems.append(f"interctc.loss_weights {list(weights)} (their sum must be less than 1)")
    return {"interctc": fields}


def interctc_section(module: Any, problems: list[str]) -> dict[str, Any]:
    """Writes NeMo's section for a model of ours; {} if it has no intermediate losses.

    Args:
      module: the model.
      problems: an entry is added for what has no counterpart.
    """
    section = getattr(module, "interctc", None)
    if section is None:
        return {}
    if section.conditioned:
        problems.append("interctc.conditioned (NeMo's layers do not see the tokens of the layers before them)")
    return {"interctc": {theirs: list(getattr(section, ours)) for theirs, (ours, _) in FIELDS.items()}}


def consistency_remarks(module: Any) -> list[str]:
    """Lists what NeMo does not have of the losses between two views."""
    if getattr(module, "consistency", None) is None:
        return []
    return ["NeMo has no consistency loss: if it trains the model further, it trains with one view of each utterance"]
