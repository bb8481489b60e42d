"""The tables of NeMo's adapters, and its section `adapters`: a name, the class and its arguments for each.

    adapters:
      global_cfg: {adapter_meta_cfg: {modules: {german: encoder}}}
      german: {_target_: ...LinearAdapter, in_features: 512, dim: 32, enabled: true}

The order of the section is that in which they are applied.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

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


# NeMo's names of a transducer's parts with adapters, and our fields of its decoder.
DECODER_PARTS = {"decoder": "prediction_adapters", "joint": "joint_adapters"}


def read_adapters(
    config: Mapping[str, Any], encoder: Mapping[str, Any], problems: list[str], *, transducer: bool = False
) -> dict[str, Any]:
    """Reads the encoder's fields for its adapters; {} if there are none.

    Args:
      config: NeMo's.
      encoder: our fields for its encoder.
      problems: an entry is added for each place that has no counterpart.
      transducer: whether the model has one, whose own adapters `read_decoder_adapters` reads.
    """
    others = DECODER_PARTS if transducer else {}
    found = _found(config, ("", "encoder"), others, problems)
    if found and (name := encoder.get("name", "fastconformer")) not in ("fastconformer", "jasper"):
        problems.append(f"adapters of a {name} (only those of a ConformerEncoderAdapter or a ConvASREncoderAdapter)")
    if problems or not found:
        return {}
    first, *rest = found
    if encoder.get("name") == "jasper":
        problems += _not_linear("adapters", found)
    elif first == UNNAMED | {"width": first["width"]}:
        return {"adapter_width": first["width"]} | ({"adapters": rest} if rest else {})
    return {"adapters": found}


def read_decoder_adapters(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Reads the fields of a transducer's decoder for its adapters; {} if there are none."""
    fields: dict[str, Any] = {}
    for part, field in DECODER_PARTS.items():
        found = _found(config, (part,), {"", "encoder", *DECODER_PARTS}, problems)
        problems += _not_linear(f"adapters of the {part}", found)
        fields |= {field: found} if found else {}
    if dropped := [adapter["name"] for adapter in fields.get("joint_adapters", ()) if adapter.get("dropout")]:
        problems.append(f"adapters.{dropped[0]}.dropout (must be 0 in the joint)")
    return fields


def _found(
    config: Mapping[str, Any], parts: Collection[str], others: Collection[str], problems: list[str]
) -> list[dict[str, Any]]:
    """Returns the adapters of these parts; those that are neither there nor in the `others` are problems."""
    names = [name for name in optional_section(config, "adapters", problems) if name != GLOBAL]
    modules, found = inner(config, f"adapters.{GLOBAL}.{METADATA}.modules"), []
    for name in names:
        part = modules.get(name, "encoder")
        if part in parts:
            found.append({"name": name, **read_section(ADAPTERS, config, f"adapters.{name}", problems)})
        elif part not in others:
            problems.append(f"adapters.{name} in {part!r} (can be in the {', '.join(filter(None, (*parts, *others)))})")
    return found


def _not_linear(place: str, adapters: Iterable[Mapping[str, Any]]) -> list[str]:
    return [f"{place}: {adapter['name']} (must be linear)" for adapter in adapters if adapter.get("kind") != "linear"]


class _Part(NamedTuple):
    """A part of the model with adapters: NeMo's name of it, our adapters, and the width of its frames."""

    name: str
    adapters: Sequence[Any]
    width: int


def write_adapters(
    encoder: Any, base: Mapping[str, Any], problems: list[str], *, decoder: Any = None
) -> dict[str, Any]:
    """Writes the section of the adapters of an encoder and of a transducer's decoder; {} if there are none."""
    width = getattr(encoder, "width", None) or encoder.output_dim
    parts = [_Part("encoder", getattr(encoder, "adapters", ()), width)]
    if hasattr(decoder, "joint_adapters"):
        parts.append(_Part("decoder", decoder.prediction_adapters, decoder.width))
        parts.append(_Part("joint", decoder.joint_adapters, decoder.joint_width))
    adapters = [(part, vars(adapter)) for part in parts for adapter in part.adapters]
    if getattr(encoder, "adapter_width", 0):
        adapters.insert(0, (parts[0], UNNAMED | {"width": encoder.adapter_width}))
    if not adapters:
        return {}
    names = [adapter["name"] for _, adapter in adapters]
    problems += [f"adapters {name!r} in several parts" for name in sorted({n for n in names if names.count(n) > 1})]
    before = inner(base, "adapters")
    known = inner(before, f"{GLOBAL}.{METADATA}.modules")
    modules = {
        adapter["name"]: known.get(adapter["name"], "encoder") if part.name == "encoder" else part.name
        for part, adapter in adapters
    }
    metadata = inner(before, f"{GLOBAL}.{METADATA}") | {"modules": modules}
    sections: dict[str, Any] = {GLOBAL: inner(before, GLOBAL) | {METADATA: metadata}}
    for part, adapter in adapters:
        section = write_section(ADAPTERS, base, f"adapters.{adapter['name']}", "", adapter, problems)
        width = "in_features" if adapter["kind"] == "linear" else "n_feat"
        sections[adapter["name"]] = section | {width: part.width}
    return sections
