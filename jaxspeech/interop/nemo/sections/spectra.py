"""The tables of NeMo's estimators of complex spectra: arguments, their defaults, and our fields for them."""

from typing import Any

from jaxspeech.interop.nemo.sections.arguments import (
    Argument,
    Section,
    among,
    flag,
    integer,
    number,
    only,
    optional,
    share,
    size,
)
from jaxspeech.interop.nemo.sections.conformer import CONFORMER, finish

SUBMODULES = "nemo.collections.audio.parts.submodules"
# The number of channels that go in, and that of the bins, follow from the model.
SIZES = frozenset({"in_channels", "feat_in", "freq_dim"})
_OUTPUTS = Argument("out_channels", "num_outputs", 1, integer(1, 256))


def _widths(value: Any) -> list[int]:
    if isinstance(value, (list, tuple)) and len(value) > 1:
        return [size(width) for width in value]
    raise ValueError("must be a list of channels: at the start, and at each resolution")


def _finish_ncsnpp(estimator: dict[str, Any]) -> None:
    resolutions = estimator.pop("resolutions")
    if len(estimator["widths"]) != resolutions + 1:
        raise ValueError(
            f"num_resolutions {resolutions} (channels has {len(estimator['widths'])} numbers, not one more)"
        )
    # NeMo's norms count the padding; as they do for a recording alone, they do here in any batch.
    estimator["norm_over_padding"] = False


_NCSNPP = Section(
    "ncsnpp",
    (
        _OUTPUTS,
        Argument("channels", "widths", (128, 128, 256, 256, 256), _widths),
        Argument("num_resolutions", "resolutions", 4, integer(1, 16)),
        Argument("num_res_blocks", "num_res_blocks", 2, integer(1, 64)),
        Argument("conditioned_on_time", "conditioned_on_time", False, flag),
        Argument("fourier_embedding_scale", "fourier_scale", 16.0, number(0, 1e6)),
        Argument("pad_time_to", "pad_frames_to", None, lambda value: integer(0, 1 << 14)(value or 0)),
        Argument("pad_dimension_to", "pad_bins_to", None, lambda value: integer(0, 1 << 14)(value or 0)),
        Argument("init_scale", "init_scale", 1e-5, number(0, 1e6)),
        Argument("dropout_rate", "dropout", 0.0, share),
        only("nonlinearity", "swish"),
    ),
    SIZES,
    finish=_finish_ncsnpp,
    gather=lambda fields: fields | {"resolutions": len(fields["widths"]) - 1},
    package=f"{SUBMODULES}.ncsnpp",
)

# Those of the Conformer that a spectrogram has no use for, as it has them.
_ABSENT = {"reduction": None, "reduction_position": -1, "reduction_factor": 1, "attention_chunk_context": None}
_ABSENT |= {"global_frames": 0, "global_projections": False, "global_spacing": 1, "conv_context_style": "regular"}


def _finish_conformer(estimator: dict[str, Any]) -> None:
    if estimator.pop("subsampling_factor") != 1:
        raise ValueError("subsampling_factor must be 1: each frame of the spectrum has its own estimate")
    if estimator["unet_skips"] and estimator["num_layers"] % 2:
        raise ValueError(f"n_layers {estimator['num_layers']} (must be even, to have two halves)")
    known = {**estimator, **_ABSENT, "output_width": None}
    finish(known)
    estimator |= {name: known[name] for name in (*estimator, "conv_groups", "norm_over_padding")}


def _conformer(class_: str, module: str, *, unet_skips: bool) -> dict[str, Section]:
    unused = {"output_width", "subsampling", "subsampling_channels", "causal_subsampling", *_ABSENT}
    arguments = [argument for argument in CONFORMER.arguments if argument.ours not in unused]
    arguments = [
        argument._replace(convert=among(1)) if argument.ours == "subsampling_factor" else argument
        for argument in arguments
    ]
    checked = [
        only(argument.nemo, argument.default, argument.back(_ABSENT[argument.ours]))
        for argument in CONFORMER.arguments
        if argument.ours in _ABSENT
    ]
    skips = [only("use_unet_skip_connection", True), only("skip_connect_scale", None)] if unet_skips else []
    return {
        class_: Section(
            "conformer",
            (_OUTPUTS, *arguments, *checked, *skips),
            CONFORMER.without_effect
            | SIZES
            | {"feat_out", "subsampling", "subsampling_conv_channels", "causal_downsampling"},
            settles=(("unet_skips", unet_skips),),
            finish=_finish_conformer,
            gather=lambda fields: CONFORMER.gather(fields) | {"subsampling_factor": 1},
            package=f"{SUBMODULES}.{module}",
        )
    }


def _finish_transformer(estimator: dict[str, Any]) -> None:
    if estimator["num_layers"] % 2:
        raise ValueError(f"depth {estimator['num_layers']} (must be even, to have two halves)")
    if estimator["width"] % estimator["num_heads"] or estimator["width"] % 2:
        raise ValueError(f"dim {estimator['width']} (must be even, and a multiple of {estimator['num_heads']} heads)")
    if estimator.pop("groups") not in (None, estimator["width"]):
        raise ValueError("conv_pos_embed_groups (can be None or dim: a depthwise convolution)")


def _odd(value: Any) -> int:
    if integer(1, 1 << 14)(value) % 2 == 0:
        raise ValueError("must be odd")
    return value


_TRANSFORMER = Section(
    "transformer_unet",
    (
        _OUTPUTS,
        Argument("dim", "width", 1024, size),
        Argument("depth", "num_layers", 24, integer(1, 512)),
        Argument("heads", "num_heads", 16, size),
        Argument("ff_mult", "ff_expansion", 4, integer(1, 64)),
        Argument("ff_dropout", "dropout", 0.0, share),
        Argument("attn_dropout", "dropout_att", 0.0, share),
        Argument("time_hidden_dim", "time_width", None, optional(size)),
        Argument("conv_pos_embed_kernel_size", "conv_kernel", 31, _odd),
        Argument("conv_pos_embed_groups", "groups", None, optional(size)),
        Argument("adaptive_rmsnorm", "conditioned_on_time", True, flag),
    ),
    # There is no longest recording here.
    SIZES | {"max_positions"},
    finish=_finish_transformer,
    gather=lambda fields: fields | {"groups": None},
    package=f"{SUBMODULES}.transformerunet",
)
SPECTRUM_ESTIMATORS = {
    "SpectrogramNoiseConditionalScoreNetworkPlusPlus": _NCSNPP,
    **_conformer("SpectrogramConformer", "conformer", unet_skips=False),
    **_conformer("SpectrogramConformerUNet", "conformer_unet", unet_skips=True),
    "SpectrogramTransformerUNet": _TRANSFORMER,
}
