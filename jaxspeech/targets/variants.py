"""Lists the changes of a recipe whose effect on memory and time is worth knowing before a run."""

from collections.abc import Iterator
from typing import Any

REMATS = ("none", "dots", "full")


def variants(settings: dict[str, Any], *, devices: int) -> Iterator[dict[str, Any]]:
    """Yields {field: value}: other values of sharding, rematerialisation and dtype, one choice changed at a time.

    Args:
      settings: of the recipe.
      devices: number of them.
    """
    other = {"replicated": "fsdp", "fsdp": "replicated"}
    if devices > 1 and settings["sharding"] in other:
        yield {"sharding": other[settings["sharding"]]}
    encoder = settings["model"].get("encoder", {})
    if "remat" in encoder:
        yield from ({"model.encoder.remat": remat} for remat in REMATS if remat != encoder["remat"])
    if "dtype" in encoder:
        dtype = "float32" if encoder["dtype"] == "bfloat16" else "bfloat16"
        parts = ("encoder", "decoder")
        yield {f"model.{part}.dtype": dtype for part in parts if "dtype" in settings["model"].get(part, {})}
