"""The shared parts of families with features and one encoder, in both directions: sections, tensors, remarks."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.families.family import NemoPart, Source
from jaxspeech.interop.nemo.sections import AUGMENTATIONS, ENCODERS, PREPROCESSORS
from jaxspeech.interop.nemo.sections.adapters import read_adapters, write_adapters
from jaxspeech.interop.nemo.sections.encoder_layers import has_encoder_layers, read_encoder_layers
from jaxspeech.interop.nemo.sections.read import read_section
from jaxspeech.interop.nemo.sections.write import fields_of, write_section
from jaxspeech.interop.nemo.weights import encoder_rows
from jaxspeech.interop.nemo.weights.conformer import POSITIONS
from jaxspeech.interop.nemo.weights.derived import Derived
from jaxspeech.interop.nemo.weights.encoder_layers import encoder_layers_rows, encoder_layers_tensors
from jaxspeech.interop.nemo.weights.features import frontend_tensors
from jaxspeech.interop.nemo.weights.jasper import copies_tensors
from jaxspeech.interop.nemo.weights.rows import TensorRow
from jaxspeech.tasks.encoder_layers import EncoderLayers

ACOUSTIC_PARTS = {
    "features": NemoPart("frontend", PREPROCESSORS),
    "spec_augment": NemoPart("spec_augment", AUGMENTATIONS),
    "encoder": NemoPart("encoder", ENCODERS),
}


def acoustic_model(config: Mapping[str, Any], problems: list[str], *, transducer: bool = False) -> dict[str, Any]:
    """Reads the sections of our configuration; that of a transducer can have adapters in other parts too."""
    of_encoder = has_encoder_layers(config)
    model = {
        "features": read_encoder_layers(config, problems)
        if of_encoder
        else read_section(PREPROCESSORS, config, "preprocessor", problems),
        "encoder": read_section(ENCODERS, config, "encoder", problems),
    }
    model["encoder"] |= read_adapters(config, model["encoder"], problems, transducer=transducer)
    if config.get("spec_augment"):
        model["spec_augment"] = read_section(AUGMENTATIONS, config, "spec_augment", problems)
    return model


def acoustic_sections(source: Source, base: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Writes the sections of NeMo's configuration."""
    ours, module = source.config, source.module
    features, encoder = fields_of(module.frontend), fields_of(module.encoder)
    sections = {
        "sample_rate": module.frontend.sample_rate,
        "preprocessor": write_section(
            PREPROCESSORS, base, "preprocessor", ours["features"]["name"], features, problems
        ),
    }
    if module.spec_augment is not None:
        masks = fields_of(module.spec_augment)
        sections["spec_augment"] = write_section(AUGMENTATIONS, base, "spec_augment", "", masks, problems)
    encoder = write_section(ENCODERS, base, "encoder", ours["encoder"]["name"], encoder, problems)
    adapters = write_adapters(module.encoder, base, problems, decoder=getattr(module, "decoder", None))
    sections["encoder"] = encoder | {"feat_in": module.frontend.num_features}
    return sections | ({"adapters": adapters} if adapters else {})


def acoustic_rows(model: Mapping[str, Any]) -> list[TensorRow]:
    """The rows of the encoder, and of the encoder that its features come from, if they do."""
    return [*encoder_layers_rows(model["features"]), *encoder_rows(model["encoder"])]


def acoustic_derived(module: Any) -> Derived:
    """The derived tensors: the frontend's window and filters, the encoder's positions and factors."""
    factors = copies_tensors(getattr(module.encoder, "blocks", ()))
    if isinstance(module.frontend, EncoderLayers):
        return {**encoder_layers_tensors(module.frontend), POSITIONS: None, **factors}
    return {**frontend_tensors(module.frontend, "preprocessor.featurizer"), POSITIONS: None, **factors}


def acoustic_remarks(source: Source) -> list[str]:
    """Lists what NeMo does differently with this encoder."""
    kind, encoder = source.config["encoder"]["name"], source.module.encoder
    remarks = []
    if kind == "squeezeformer":
        remarks.append("NeMo has no Squeezeformer after 2.2: later versions will not restore the file")
    if kind == "ecapa" and encoder.padded_to != source.module.frontend.pad_to:
        remarks.append("NeMo does not mask what follows a recording: its embeddings differ a little, and in a batch")
    if getattr(encoder, "norm_over_padding", True) is False:
        remarks.append("if NeMo trains it further, the statistics of its batch norms will count the padding")
    if kind == "lstm" and encoder.bidirectional:
        remarks.append("NeMo's backward LSTM starts in the padding: its transcripts depend on the whole batch")
        if encoder.frames_after != 1:
            remarks.append("NeMo's backward LSTM starts one frame after a recording: train with encoder.frames_after=1")
    if getattr(encoder, "global_frames", 0) > 1:
        remarks.append("NeMo mixes up the queries of several global frames: its transcripts depend on the whole batch")
    return remarks
