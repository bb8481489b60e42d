"""Reads NeMo's features from the layers of an encoder, a preprocessor that holds a preprocessor and an encoder.

NeMo's extractor returns the layers in ascending order and, from version 3.0 on, the last one's output once more after
them. A weighted sum has no weight for it: there NeMo 3.0 fails, and only the layers that are named are meant.
"""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.sections.arguments import among, flag
from jaxspeech.interop.nemo.sections.conformer import CONFORMER
from jaxspeech.interop.nemo.sections.features import MEL, SPEC_AUGMENT
from jaxspeech.interop.nemo.sections.read import class_name, optional_section, read_section, value_at

CLASS = "ConformerMultiLayerFeaturePreprocessor"
# The first version that returns the last layer's output in addition.
WITH_FINAL = 3
PLACE = "preprocessor"
KNOWN = {"_target_", "aggregator", "preprocessor", "encoder", "spec_augment", "layer_idx_list", "freeze_encoder"}
OF_AGGREGATOR = {"_target_", "mode", "weights", "layer_idx_list", "channel_idx"}
MODES = {"cat": "cat", "sum": "sum", "mean": "mean", "avg": "mean", "weighted_sum": "weighted_sum"}


def has_encoder_layers(config: Mapping[str, Any]) -> bool:
    """Whether a model's features are those of an encoder."""
    return class_name(value_at(config, f"{PLACE}._target_")) == CLASS


def read_encoder_layers(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Reads our section `features`; what has no counterpart is added to `problems`."""
    given = optional_section(config, PLACE, problems)
    features = read_section({"AudioToMelSpectrogramPreprocessor": MEL}, config, f"{PLACE}.preprocessor", problems)
    encoder = read_section({"ConformerEncoder": CONFORMER}, config, f"{PLACE}.encoder", problems)
    aggregator = optional_section(config, f"{PLACE}.aggregator", problems)
    problems += [f"{PLACE}.{name} (unknown)" for name in given if name not in KNOWN]
    problems += [f"{PLACE}.aggregator.{name} (unknown)" for name in aggregator if name not in OF_AGGREGATOR]
    checks = {
        "aggregator.mode": (aggregator.get("mode"), among(*MODES)),
        "aggregator.weights": (aggregator.get("weights"), among(None)),
        "aggregator.channel_idx": (aggregator.get("channel_idx", 1), among(1)),
        "freeze_encoder": (given.get("freeze_encoder", True), flag),
        "encoder.reduction": (encoder.get("reduction"), among(None)),
    }
    for name, (value, check) in checks.items():
        try:
            check(value)
        except ValueError as error:
            problems.append(f"{PLACE}.{name} {value!r} ({error})")
    mode, depth = MODES.get(str(aggregator.get("mode")), "mean"), encoder.get("num_layers", 1)
    numbers = given.get("layer_idx_list") or list(range(depth))
    if not isinstance(numbers, list) or any(type(i) is not int or not -depth <= i < depth for i in numbers):
        problems.append(f"{PLACE}.layer_idx_list {numbers!r} (must be a list of layers, 0 to {depth - 1})")
        numbers = [0]
    layers = sorted(i % depth for i in numbers)
    version = str(config.get("nemo_version", WITH_FINAL)).partition(".")[0]
    if mode != "weighted_sum" and version.isdigit() and int(version) >= WITH_FINAL:
        layers.append(depth - 1)
    section = {"name": "encoder_layers", "features": features, "encoder": encoder, "layers": tuple(layers)}
    section |= {"aggregate": mode, "frozen": given.get("freeze_encoder", True)}
    if given.get("spec_augment"):
        masks = read_section({"SpectrogramAugmentation": SPEC_AUGMENT}, config, f"{PLACE}.spec_augment", problems)
        section["spec_augment"] = masks
    return section
