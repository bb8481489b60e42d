"""Ends a model's encoder after one of its middle layers.

The frames of this layer go to the CTC head, which was trained for them too if the model has intermediate losses
(`tasks.ctc_trained`): a smaller and faster model, from the same training.
"""

from typing import Any

from jaxspeech.builder import build
from jaxspeech.encoders.layer_stack import stack_layers, unstack_layers
from jaxspeech.errors import ConfigError
from jaxspeech.types import Variables

# Encoders that can end earlier, and the field that says how many layers they have.
COUNTED = {"fastconformer": "num_layers", "transformer": "num_layers", "jasper": "blocks"}


def with_depth(model: dict[str, Any], variables: Variables, num_layers: int) -> tuple[dict[str, Any], Variables]:
    """Returns the model with the first layers of its encoder alone; a hybrid one searches with its CTC head.

    Args:
      model: configuration of a recogniser with a CTC head on a FastConformer, Conformer, Transformer or an encoder of
        blocks; it is not changed.
      variables: of the model.
      num_layers: that remain: layers 0 to num_layers - 1.

    Raises:
      ConfigError: the model has no CTC head, not so many layers, or layers that cannot be the last ones.
    """
    encoder = model["encoder"]
    if model["task"] not in ("ctc", "hybrid"):
        raise ConfigError(f"num_layers {num_layers}: only a model with a CTC head can end after a middle layer")
    if encoder["name"] not in COUNTED or encoder.get("unet_skips"):
        raise ConfigError(f"num_layers {num_layers}: the encoder {encoder['name']} cannot end after a middle layer")
    depth, width = _sizes(model)
    if type(num_layers) is not int or not 0 < num_layers <= depth:
        raise ConfigError(
            f"num_layers is {num_layers!r}; the encoder has {depth} layers: give a number from 1 to {depth}"
        )
    if num_layers == depth:
        return model, variables
    encoder = _shortened(dict(encoder), num_layers)
    options = {"search": {**model.get("search", {}), "head": "ctc"}} if model["task"] == "hybrid" else {}
    shorter = {key: value for key, value in model.items() if key != "interctc"} | {"encoder": encoder} | options
    if (own := _sizes(shorter)[1]) != width:
        raise ConfigError(f"num_layers {num_layers}: the last layer's frames are {own} wide, the head takes {width}")
    kept = {
        collection: {**tree, "encoder": _kept(tree["encoder"], num_layers, encoder)} if "encoder" in tree else tree
        for collection, tree in variables.items()
    }
    shorter = _with_inner(model, shorter, num_layers)
    if "interctc" not in shorter and "conditioning" in kept["params"]:
        kept["params"] = {name: tree for name, tree in kept["params"].items() if name != "conditioning"}
    return shorter, kept


def _sizes(model: dict[str, Any]) -> tuple[int, int]:
    encoder = build(model).model.encoder
    return encoder.depth, encoder.output_dim


def _shortened(encoder: dict[str, Any], num_layers: int) -> dict[str, Any]:
    """Returns the configuration of the encoder with its first layers, and what is among or before them."""
    field = COUNTED[encoder["name"]]
    encoder[field] = num_layers if field == "num_layers" else tuple(encoder[field])[:num_layers]
    if encoder.get("reduction") and not 0 <= encoder.get("reduction_position", -1) < num_layers:
        encoder["reduction"] = None
    if places := encoder.get("speaker_kernels"):
        encoder["speaker_kernels"] = tuple(place for place in places if place <= num_layers)
    return encoder


def _kept(tree: Variables, num_layers: int, encoder: dict[str, Any]) -> Variables:
    """Returns the variables of the encoder that remain."""
    stacked, tree = "layers" in tree, unstack_layers(tree)
    rest = {name: value for name, value in tree.items() if _remains(name, num_layers, encoder)}
    return stack_layers(rest) if stacked else rest


def _remains(name: str, num_layers: int, encoder: dict[str, Any]) -> bool:
    for prefix in ("layers_", "block_"):
        if name.startswith(prefix):
            return int(name.removeprefix(prefix)) < num_layers
    if name.startswith("speaker_kernel_"):
        return int(name.removeprefix("speaker_kernel_")) <= num_layers
    return name != "reduction" or encoder.get("reduction") is not None


def _with_inner(before: dict[str, Any], model: dict[str, Any], num_layers: int) -> dict[str, Any]:
    """Keeps the intermediate losses of the layers that remain."""
    section = before.get("interctc") or {"layers": (), "weights": ()}
    kept = [i for i, layer in enumerate(section["layers"]) if layer < num_layers - 1]
    if not kept:
        return model
    lists = {name: tuple(section[name][i] for i in kept) for name in ("layers", "weights")}
    return model | {"interctc": {**section, **lists}}
