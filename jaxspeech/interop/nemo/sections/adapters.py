"""The tables of NeMo's adapters, and its section `adapters`: a name, the class and its arguments for each.

    adapters:
      global_cfg: {adapter_meta_cfg: {modules: {german: encoder}}}
      german: {_target_: ...LinearAdapter, in_features: 512, dim: 32, enabled: true}

The order of the section is that in which they are applied.
"""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.sections.arguments import (
    Argument,
    Required,
    Section,
    flag,
    integer,
    only,
    optional,
    share,
    size,
)
from jaxspeech.interop.nemo.sections.read import class_name, optional_section, read_section
from jaxspeech.interop.nemo.sections.write import inner, write_section

GLOBAL, METADATA = "global_cfg", "adapter_meta_cfg"
# Our only adapter that has no name, but a width: the fields that it has in NeMo's files.
UNNAMED = {"name": "adapter", "kind": "linear", "dropout": 0.0, "enabled": True}
_STRATEGIES = ("ResidualAddAdapterStrategy", "MHAResidualAddAdapterStrategy")


def _strategy(value: Any) -> None:
    if class_name(value) not in _STRATEGIES:
        raise ValueError(f"can be {', '.join(_STRATEGIES)}")


_SHARED = (
    Argument("enabled", "enabled", True, flag),
    Argument("adapter_strategy._target_", None, _STRATEGIES[0], _strategy),
    only("adapter_strategy.stochastic_depth", 0.0, 0),
    only("adapter_strategy.l2_lambda", 0.0, 0),
)
_SUBMODULES = "nemo.collections.asr.parts.submodules.adapters.multi_head_attention_adapter_module"


def _finish_attention(adapter: dict[str, Any]) -> None:
    width, heads = adapter["width"], adapter["num_heads"]
    if width is not None and width < 1:  # so NeMo takes one for each head
        adapter["width"] = heads
    elif width is not None and width % heads:
        raise ValueError(f"proj_dim {width} (cannot be split into {heads} heads)")


def _attention(kind: str) -> Section:
    return Section(
        "",
        (
            Argument("n_head", "num_heads", Required, integer(1, 1024)),
            Argument("proj_dim", "width", None, optional(integer(-1, 1 << 14))),
            Argument("dropout_rate", "dropout", 0.0, share),
            *_SHARED,
        ),
        frozenset({"n_feat", "use_pytorch_sdpa", "use_pytorch_sdpa_backends"}),
        settles=(("kind", kind),),
        finish=_finish_attention,
        package=_SUBMODULES,
    )


ADAPTERS = {
    "LinearAdapter": Section(
        "",
        (
            Argument("dim", "width", Required, size),
            Argument("dropout", "dropout", 0.0, share),
            only("activation", "swish", "silu"),
            only("norm_position", "pre"),
            *_SHARED,
        ),
        frozenset({"in_features"}),
        settles=(("kind", "linear"),),
        package="nemo.collections.common.parts.adapter_modules",
    ),
    "MultiHeadAttentionAdapter": _attention("attention"),
    "RelPositionMultiHeadAttentionAdapter": _attention("relative"),
}


def read_adapters(config: Mapping[str, Any], encoder: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Reads the encoder's fields for its adapters; {} if there are none."""
    names = [name for name in optional_section(config, "adapters", problems) if name != GLOBAL]
    if not names:
        return {}
    if encoder.get("name", "fastconformer") != "fastconformer":
        problems.append(f"adapters of a {encoder['name']} (only those of a ConformerEncoderAdapter)")
        return {}
    modules = inner(config, f"adapters.{GLOBAL}.{METADATA}.modules")
    found = []
    for name in names:
        if modules.get(name, "encoder") not in ("", "encoder"):
            problems.append(f"adapters.{name} in {modules[name]!r} (can be in the encoder)")
            continue
        fields = read_section(ADAPTERS, config, f"adapters.{name}", problems)
        found.append({"name": name, **fields})
    if problems:
        return {}
    first, *rest = found
    if first == UNNAMED | {"width": first["width"]}:
        return {"adapter_width": first["width"]} | ({"adapters": rest} if rest else {})
    return {"adapters": found}


def write_adapters(encoder: Any, base: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Writes the section of an encoder's adapters; {} if it has none."""
    adapters = [vars(adapter) for adapter in getattr(encoder, "adapters", ())]
    if getattr(encoder, "adapter_width", 0):
        adapters.insert(0, UNNAMED | {"width": encoder.adapter_width})
    if not adapters:
        return {}
    before = inner(base, "adapters")
    known = inner(before, f"{GLOBAL}.{METADATA}.modules")
    modules = {adapter["name"]: known.get(adapter["name"], "encoder") for adapter in adapters}
    metadata = inner(before, f"{GLOBAL}.{METADATA}") | {"modules": modules}
    sections: dict[str, Any] = {GLOBAL: inner(before, GLOBAL) | {METADATA: metadata}}
    for adapter in adapters:
        section = write_section(ADAPTERS, base, f"adapters.{adapter['name']}", "", adapter, problems)
        width = "in_features" if adapter["kind"] == "linear" else "n_feat"
        sections[adapter["name"]] = section | {width: encoder.width}
    return sections
