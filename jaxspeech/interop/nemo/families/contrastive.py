"""The family of models that were pretrained with a contrastive loss, and with losses of the quantizer's codes."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.families.acoustic import (
    ACOUSTIC_PARTS,
    acoustic_derived,
    acoustic_model,
    acoustic_remarks,
    acoustic_sections,
)
from jaxspeech.interop.nemo.families.family import Family, NemoPart, Source, Written
from jaxspeech.interop.nemo.sections.arguments import Section
from jaxspeech.interop.nemo.sections.contrastive import (
    CODE_PREDICTION,
    CONTRASTIVE_LOSS,
    GUMBEL,
    LINEAR,
    MASKED_PATCHES,
    RECONSTRUCTION,
)
from jaxspeech.interop.nemo.sections.decoders import JOINT, LSTM_PREDICTION
from jaxspeech.interop.nemo.sections.read import class_name, read_arguments, read_section, value_at
from jaxspeech.interop.nemo.sections.write import arguments_of, fields_of, write_section
from jaxspeech.interop.nemo.weights import encoder_rows
from jaxspeech.interop.nemo.weights.contrastive import contrastive_rows, renamed
from jaxspeech.interop.nemo.weights.rows import TensorRow
from jaxspeech.tasks.contrastive_model import STEPS, transducer_of_codes
from jaxspeech.tasks.contrastive_options import TRANSDUCER_FIELDS, TransducerCodes
from jaxspeech.types import Variables

CLASS = "SpeechEncDecSelfSupervisedModel"
MASKS = {"MaskedPatchAugmentation": MASKED_PATCHES}
DECODERS = {"ConvASRDecoderReconstruction": RECONSTRUCTION}
LOSSES = {"ContrastiveLoss": CONTRASTIVE_LOSS}
# Losses of codes, and our keys for them.
CODE_LOSSES = {"MLMLoss": "masked_codes", "CTCLossForSSL": "ctc_codes", "RNNTLossForSSL": "rnnt_codes"}
NAMES = {"masked_codes": "mlm", "ctc_codes": "ctc", "rnnt_codes": "rnnt"}
IN_SEQUENCE = ("CTCLossForSSL", "RNNTLossForSSL")
SEQUENCES = ("ctc_codes", "rnnt_codes")
PREDICTIONS, JOINTS = {"RNNTDecoder": LSTM_PREDICTION}, {"RNNTJoint": JOINT}
# Arguments of the model that change training, and have no counterpart.
DROPOUTS = ("dropout_features", "dropout_features_q", "feature_penalty")


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    model = acoustic_model({key: value for key, value in config.items() if key != "spec_augment"}, problems)
    model["masking"] = read_section(MASKS, config, "spec_augment", problems)
    problems += [f"{name} {config[name]!r} (can be 0)" for name in DROPOUTS if config.get(name)]
    listed = config.get("loss_list")
    places = {f"loss_list.{name}": entry for name, entry in listed.items()} if isinstance(listed, Mapping) else {"": {}}
    active = [
        place for place, entry in places.items() if not isinstance(entry, Mapping) or entry.get("is_active", True)
    ]
    kinds = {place: class_name(value_at(config, f"{place}.loss._target_".lstrip("."))) for place in active}
    main = [place for place, kind in kinds.items() if kind in LOSSES]
    if len(main) != 1:
        problems.append(f"loss_list has {len(main)} contrastive losses (must have one)")
        return {"task": "contrastive"} | model
    model |= _contrastive(config, main[0], problems)
    for place, kind in kinds.items():
        if place == main[0]:
            continue
        if kind not in CODE_LOSSES or CODE_LOSSES[kind] in model:
            problems.append(f"{place}.loss._target_ {kind} (can be one of each of {', '.join(CODE_LOSSES)})")
            continue
        model[CODE_LOSSES[kind]] = _code_prediction(config, place, main[0], model, problems)
    if "masked_codes" in model and "ctc_codes" in model:
        wrong = [p for p, kind in kinds.items() if p != main[0] and ("ctc" in p) != (kind == "CTCLossForSSL")]
        problems += [f"{place} (only the loss of CTC can, and must, have ctc in its name)" for place in wrong]
    layers = [part.get("layer") for part in (model["loss"], *(model.get(key, {}) for key in NAMES))]
    if any(layer is not None for layer in layers) and model["encoder"].get("output_width"):
        problems.append("encoder.feat_out (must be -1 with output_from_layer, which it does not project)")
    return {"task": "contrastive"} | model


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _contrastive(config: Mapping[str, Any], place: str, problems: list[str]) -> dict[str, Any]:
    """Reads the contrastive loss with its quantizer and decoder."""
    at = _inside(place, "loss")
    given: Any = value_at(config, at)
    quantized = bool(given.get("quantized_targets", False))
    section = GUMBEL if quantized else LINEAR
    known = {argument.nemo for argument in section.arguments}
    sizes = {key: value for key, value in given.items() if key in known}
    quantizer = {"name": section.name} | read_arguments(section, sizes, at, problems)
    loss = read_section(LOSSES, config, at, problems)
    if place:
        entry = {key: value for key, value in value_at(config, place).items() if key != "targets_from_loss"}
        of_entry = read_arguments(CODE_PREDICTION, entry, place, problems)
        if of_entry.get("first_step"):
            problems.append(f"{place}.start_step {of_entry['first_step']} (can be 0)")
        if "scale" in loss and "weight" in of_entry:
            loss["scale"] *= of_entry["weight"]
        loss["layer"] = of_entry.get("layer")
    decoder = read_section(DECODERS, config, _inside(place, "decoder"), problems)
    if value_at(config, "preprocessor.features") not in (None, given.get("in_dim")):
        problems.append(f"{at}.in_dim {given.get('in_dim')!r} (must be the number of features)")
    return {"quantizer": quantizer, "decoder": decoder, "loss": loss}


def _code_prediction(
    config: Mapping[str, Any], place: str, main: str, model: Mapping[str, Any], problems: list[str]
) -> dict[str, Any]:
    """Reads a loss of codes."""
    entry: Any = value_at(config, place)
    found = read_arguments(CODE_PREDICTION, entry, place, problems)
    targets = entry.get("targets_from_loss")
    if f"loss_list.{targets}" != main:
        problems.append(f"{place}.targets_from_loss {targets!r} (must be the contrastive loss)")
    kind = class_name(value_at(config, f"{place}.loss._target_"))
    decoder = class_name(value_at(config, f"{place}.decoder._target_"))
    if decoder != (wanted := "RNNTDecoderJointSSL" if kind == "RNNTLossForSSL" else "ConvASRDecoder"):
        problems.append(f"{place}.decoder._target_ {decoder} (can be {wanted})")
    quantizer = model["quantizer"]
    ids = quantizer.get("size", 0) ** quantizer.get("groups", 0) if quantizer["name"] == "gumbel" else 0
    counts = ("decoder.vocab_size", "joint.num_classes") if kind == "RNNTLossForSSL" else ("num_classes",)
    for name in counts:
        if (classes := value_at(config, f"{place}.decoder.{name}")) != ids:
            problems.append(f"{place}.decoder.{name} {classes!r} (must be {ids}, the ids of the quantizer)")
    if kind == "RNNTLossForSSL":
        found |= _transducer(config, f"{place}.decoder", problems)
    threshold = value_at(config, f"{place}.loss.mask_threshold")
    if threshold not in (None, model["loss"].get("mask_threshold")):
        problems.append(f"{place}.loss.mask_threshold {threshold!r} (must be that of the contrastive loss)")
    merge = bool(value_at(config, f"{main}.loss.reduce_ids"))
    if merge and kind not in IN_SEQUENCE:
        problems.append(f"{main}.loss.reduce_ids true (must be false where masked frames have codes)")
    return found | ({"merge_repeats": merge} if kind in IN_SEQUENCE else {})


def _transducer(config: Mapping[str, Any], place: str, problems: list[str]) -> dict[str, Any]:
    """Reads the sizes of the prediction network and the joint of an RNN-T of codes."""
    fields = read_section(PREDICTIONS, config, f"{place}.decoder", problems)
    fields |= read_section(JOINTS, config, f"{place}.joint", problems)
    if fields.get("cell_width") is not None or fields.get("extra_outputs"):
        problems.append(f"{place}.decoder.prednet.rnn_hidden_size, joint.num_extra_outputs (not of codes)")
    return {name: fields[name] for name in TRANSDUCER_FIELDS if name in fields}


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    module = source.module
    sections = acoustic_sections(source, base, problems)
    sections["spec_augment"] = write_section(MASKS, base, "spec_augment", "", fields_of(module.masking), problems)
    frames, ids = module.decoder.frames_per(module.encoder.total_factor), module.quantizer.num_ids
    width = module.encoder.output_dim
    quantized = source.config["quantizer"]["name"] == "gumbel"
    quantizer: Section = GUMBEL if quantized else LINEAR
    merged = {name: chosen.merge_repeats for name in SEQUENCES if (chosen := getattr(module, name)) is not None}
    repeats = any(merged.values())
    if repeats and (module.masked_codes is not None or not all(merged.values())):
        name = next(name for name, merge in merged.items() if merge)
        problems.append(f"{name}.merge_repeats true beside other losses of codes (there all have the same ids)")
    loss = {
        **write_section(LOSSES, {}, "loss", "", fields_of(module.loss), problems),
        **{"in_dim": module.frontend.num_features, "combine_time_steps": frames, "quantized_targets": quantized},
        **arguments_of(quantizer, fields_of(module.quantizer)),
        "reduce_ids": repeats,
    }
    decoder = write_section(DECODERS, {}, "decoder", "reconstruction", fields_of(module.decoder), problems)
    entry = arguments_of(CODE_PREDICTION, {"weight": 1.0, "first_step": 0, "layer": module.loss.layer})
    listed: dict[str, Any] = {"contrastive": {"decoder": decoder | {"feat_in": width}, "loss": loss, **entry}}
    of_codes = {
        "masked_codes": ("MLMLoss", {"combine_time_steps": frames, "mask_threshold": module.loss.mask_threshold}),
        "ctc_codes": ("CTCLossForSSL", {"num_classes": ids}),
        "rnnt_codes": ("RNNTLossForSSL", {"num_classes": ids}),
    }
    for key, (name, arguments) in of_codes.items():
        chosen = getattr(module, key)
        if chosen is None:
            continue
        head = {"_target_": "nemo.collections.asr.modules.ConvASRDecoder", "feat_in": width, "num_classes": ids}
        listed[NAMES[key]] = {
            "decoder": _transducer_section(chosen, width, ids, problems) if key == "rnnt_codes" else head,
            "loss": {"_target_": f"nemo.collections.asr.losses.{name}", **arguments},
            "targets_from_loss": "contrastive",
            **arguments_of(CODE_PREDICTION, fields_of(chosen)),
        }
    return Written(CLASS, sections | {"loss_list": listed}, {})


def _transducer_section(chosen: TransducerCodes, width: int, ids: int, problems: list[str]) -> dict[str, Any]:
    """Writes NeMo's section of prediction network and joint of an RNN-T of codes."""
    fields = fields_of(transducer_of_codes(chosen, ids)) | {"extra_outputs": 0}
    joint: dict[str, Any] = write_section(JOINTS, {}, "joint", "", fields, problems) | {"num_classes": ids}
    joint["jointnet"] = joint["jointnet"] | {"encoder_hidden": width, "pred_hidden": chosen.width}
    return {
        "_target_": "nemo.collections.asr.modules.rnnt.RNNTDecoderJointSSL",
        "decoder": write_section(PREDICTIONS, {}, "decoder", "transducer", fields, problems),
        "joint": joint,
    }


def _rows(model: Mapping[str, Any]) -> list[TensorRow]:
    return [*encoder_rows(model["encoder"]), *contrastive_rows(model)]


def _without_steps(source: Source, variables: Variables) -> Variables:
    del source
    return {name: values for name, values in variables.items() if name != STEPS}


def _remarks(source: Source) -> list[str]:
    remarks = [*acoustic_remarks(source), "NeMo masks as many patches of each recording as of the shortest of a batch"]
    if source.module.decoder.layers or source.module.decoder.stride_layers:
        remarks.append("NeMo's decoder counts the padding in its norms, and convolves it")
    return remarks


CONTRASTIVE = Family(
    task="contrastive",
    classes={CLASS: "asr.models.ssl_models"},
    sections=("preprocessor", "spec_augment", "encoder", "decoder", "loss", "loss_list"),
    to_model=_to_model,
    to_nemo=_to_nemo,
    assets=lambda file, config, model: {},
    rows=_rows,
    parts={
        **{name: part for name, part in ACOUSTIC_PARTS.items() if name != "spec_augment"},
        "masking": NemoPart("masking", MASKS),
        "decoder": NemoPart("decoder", DECODERS),
        "quantizer": NemoPart("quantizer", {"": GUMBEL, "linear": LINEAR}),
        "loss": NemoPart("loss", LOSSES),
        "masked_codes": NemoPart("masked_codes", {"": CODE_PREDICTION}),
        "ctc_codes": NemoPart("ctc_codes", {"": CODE_PREDICTION}),
        "rnnt_codes": NemoPart("rnnt_codes", {"": CODE_PREDICTION}),
    },
    derived=acoustic_derived,
    renamed=renamed,
    folded=_without_steps,
    remarks=_remarks,
)
