"""The family of masked prediction: NEST, which learns from noisy audio, and BEST-RQ."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.families.acoustic import (
    ACOUSTIC_PARTS,
    acoustic_derived,
    acoustic_model,
    acoustic_remarks,
    acoustic_sections,
)
from jaxspeech.interop.nemo.families.family import Family, NemoPart, Source, Written
from jaxspeech.interop.nemo.sections.pretraining import LOSS, MASKING, POSITIONS, QUANTIZER, SOFTMAX
from jaxspeech.interop.nemo.sections.read import class_name, read_section, value_at
from jaxspeech.interop.nemo.sections.write import arguments_of, fields_of, inner, merged, write_section
from jaxspeech.interop.nemo.weights.pretraining import CODEBOOKS, pretraining_rows

DENOISING, PLAIN = "EncDecDenoiseMaskedTokenPredModel", "EncDecMaskedTokenPredModel"
CLASSES: dict[str, str] = dict.fromkeys((DENOISING, PLAIN), "asr.models.ssl_models")
QUANTIZERS = {"RandomProjectionVectorQuantizer": QUANTIZER}
MASKINGS = {"RandomBlockMasking": MASKING}
HEADS = {"MultiSoftmaxDecoder": SOFTMAX}
LOSSES = {"MultiMLMLoss": LOSS}
# NeMo makes this module, and does not use it.
UNUSED_MASKS = {"_target_": "nemo.collections.asr.modules.SpectrogramAugmentation", "freq_masks": 0, "time_masks": 0}


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    acoustic = acoustic_model({**config, "spec_augment": None}, problems)
    position = config.get("mask_position", "pre_conv")
    if position not in POSITIONS:
        problems.append(f"mask_position {position!r} (can be {', '.join(POSITIONS)})")
    model = {
        "task": "pretrain",
        **acoustic,
        "quantizer": read_section(QUANTIZERS, config, "quantizer", problems),
        "masking": read_section(MASKINGS, config, "masking", problems),
        "decoder": read_section(HEADS, config, "decoder", problems),
        "mask_position": POSITIONS.get(position, position),
        **read_section(LOSSES, config, "loss", problems),
    }
    if not problems:
        _check_sizes(config, model, problems)
    return model


def _check_sizes(config: Mapping[str, Any], model: Mapping[str, Any], problems: list[str]) -> None:
    """Checks the sizes that NeMo's configuration has in several places."""
    encoder, quantizer = model["encoder"], model["quantizer"]
    if encoder["name"] != "fastconformer":
        problems.append(f"encoder {encoder['name']} (can be fastconformer)")
        return
    if encoder["reduction"]:
        problems.append(f"encoder.reduction {encoder['reduction']!r}")
    group = encoder["subsampling_factor"] if model["mask_position"] == "features" else 1
    same = {
        "quantizer.combine_time_steps": (1, group),
        "loss.combine_time_steps": (1, group),
        "loss.num_decoders": (1, quantizer["num_books"]),
        "decoder.num_classes": (None, quantizer["num_codes"]),
        "decoder.num_decoders": (1, quantizer["num_books"]),
    }
    for place, (default, expected) in same.items():
        found = value_at(config, place)
        found = default if found is None else found
        if found != expected:
            problems.append(f"{place} {found!r} (must be {expected}, as in the other sections)")


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    module = source.module
    before = class_name(base.get("target"))
    in_encoder = module.mask_position == "subsampled"
    # NeMo's denoising class does not run with a mask inside the encoder.
    chosen = PLAIN if in_encoder else before if before in CLASSES else DENOISING
    if source.config["encoder"]["name"] != "fastconformer":
        problems.append(f"encoder {source.config['encoder']['name']}")
        return Written(chosen, {}, {})
    sections = acoustic_sections(source, base, problems)
    features, width = module.frontend.num_features, module.encoder.output_dim
    masked_width = module.encoder.width if in_encoder else features
    group = 1 if in_encoder else module.encoder.subsampling_factor
    books = module.quantizer.num_books
    squeezed = {"squeeze_single": bool(base.get("squeeze_single", False))}
    quantizer = write_section(QUANTIZERS, base, "quantizer", "random_projection", fields_of(module.quantizer), problems)
    masking = write_section(MASKINGS, base, "masking", "blocks", fields_of(module.masking), problems)
    decoder = write_section(HEADS, base, "decoder", "softmax", fields_of(module.decoder), problems)
    loss = {"_target_": f"{LOSS.package}.MultiMLMLoss"}
    loss |= arguments_of(LOSS, {"mask_threshold": module.mask_threshold})
    sizes = {"combine_time_steps": group, **squeezed}
    # NeMo cannot compute the angle between float32 vectors and float64 codes.
    distance = {"dist_fn": quantizer.get("dist_fn", "l2"), "freeze": quantizer.get("freeze", True)}
    sections |= {
        **{"num_classes": module.quantizer.num_codes, "num_books": books, "code_dim": module.quantizer.code_dim},
        **squeezed,
        "mask_position": next(nemo for nemo, ours in POSITIONS.items() if ours == module.mask_position),
        "quantizer": quantizer | {"feat_in": masked_width, **distance, **sizes},
        "masking": masking | {"feat_in": masked_width},
        "decoder": decoder | {"feat_in": width, **squeezed},
        "loss": merged(inner(base, "loss"), loss) | {"num_decoders": books, **sizes},
    }
    return Written(chosen, sections, {})


def _with_stored(model: dict[str, Any], tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Checks what the search for the nearest code relies on."""
    if CODEBOOKS in tensors:
        lengths = np.linalg.norm(np.asarray(tensors[CODEBOOKS], np.float64), axis=-1)
        if not np.allclose(lengths, 1.0, atol=1e-3):
            raise ArchiveError(f"{CODEBOOKS}: not all codes have the length 1 ({lengths.min():g} to {lengths.max():g})")
    return model


def _remarks(source: Source) -> list[str]:
    module, remarks = source.module, acoustic_remarks(source)
    if module.mask_position == "subsampled":
        remarks.append(
            "each time NeMo restores the file it divides masking.block_size by the subsampling factor: multiply it "
            "before training further"
        )
    elif not module.frontend.pad_to or module.frontend.pad_to % module.encoder.subsampling_factor:
        remarks.append(
            f"NeMo cannot compute codes of any length: train further with preprocessor.pad_to a multiple of "
            f"{module.encoder.subsampling_factor}"
        )
    return remarks


PRETRAINING = Family(
    task="pretrain",
    classes=CLASSES,
    sections=(
        *("preprocessor", "encoder", "decoder", "quantizer", "masking", "loss", "mask_position", "num_classes"),
        *("num_books", "code_dim", "squeeze_single"),
    ),
    to_model=_to_model,
    to_nemo=_to_nemo,
    assets=lambda file, config, model: {},
    rows=pretraining_rows,
    parts={
        **{name: part for name, part in ACOUSTIC_PARTS.items() if name != "spec_augment"},
        "quantizer": NemoPart("quantizer", QUANTIZERS),
        "masking": NemoPart("masking", MASKINGS),
        "decoder": NemoPart("decoder", HEADS),
    },
    derived=acoustic_derived,
    with_stored=_with_stored,
    defaults={"spec_augment": UNUSED_MASKS, "train_ds": None, "validation_ds": None, "optim": None},
    remarks=_remarks,
)
