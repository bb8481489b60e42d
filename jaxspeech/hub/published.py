"""Lists the speech recognisers that NVIDIA has published for NeMo, by their names in NeMo."""

from typing import NamedTuple

ORGANISATION = "nvidia"


class PublishedModel(NamedTuple):
    """A published model; `jaxspeech.load(name)` fetches it.

    Attributes:
      name: its name on the Hugging Face Hub.
      language: the codes of its languages, "25 European" or "40 locales".
      size: number of parameters of this architecture, rounded.
      task: "ctc", "transducer" (RNN-T), "tdt" (a transducer with durations), "hybrid" or "hybrid tdt" (with CTC),
        "multitalker transducer" (for several speakers at once), "prompted transducer" (with a language prompt) or
        "speech language model" (which answers questions about speech).
    """

    name: str
    language: str
    size: str
    task: str


# Architecture and size, as in the names -> parameters and task.
ARCHITECTURES = {
    "jasper10x5dr": ("333M", "ctc"),
    "citrinet_256": ("10M", "ctc"),
    "citrinet_512": ("36M", "ctc"),
    "citrinet_1024": ("142M", "ctc"),
    "conformer_ctc_small": ("13M", "ctc"),
    "conformer_ctc_medium": ("30M", "ctc"),
    "conformer_ctc_large": ("120M", "ctc"),
    "conformer_ctc_xlarge": ("635M", "ctc"),
    "conformer_transducer_small": ("14M", "transducer"),
    "conformer_transducer_medium": ("32M", "transducer"),
    "conformer_transducer_large": ("120M", "transducer"),
    "conformer_transducer_xlarge": ("645M", "transducer"),
    "conformer_transducer_xxlarge": ("1.0B", "transducer"),
    "fastconformer_ctc_large": ("115M", "ctc"),
    "fastconformer_ctc_xlarge": ("0.6B", "ctc"),
    "fastconformer_ctc_xxlarge": ("1.1B", "ctc"),
    "fastconformer_transducer_large": ("114M", "transducer"),
    "fastconformer_transducer_xlarge": ("0.6B", "transducer"),
    "fastconformer_transducer_xxlarge": ("1.1B", "transducer"),
    "fastconformer_tdt_large": ("114M", "tdt"),
    "fastconformer_hybrid_medium": ("32M", "hybrid"),
    "fastconformer_hybrid_large": ("115M", "hybrid"),
    "fastconformer_hybrid_transducer_ctc_large": ("115M", "hybrid"),
}
# stt_LANGUAGE_ARCHITECTURE[_VARIANT]: language -> architectures with their variants.
CHECKPOINTS = {
    "en": (
        *("jasper10x5dr", "citrinet_256", "citrinet_512", "citrinet_1024"),
        *("citrinet_256_gamma_0_25", "citrinet_512_gamma_0_25", "citrinet_1024_gamma_0_25"),
        *("conformer_ctc_small", "conformer_ctc_medium", "conformer_ctc_large", "conformer_ctc_xlarge"),
        *("conformer_ctc_small_ls", "conformer_ctc_medium_ls", "conformer_ctc_large_ls"),
        *("conformer_transducer_small", "conformer_transducer_medium", "conformer_transducer_large"),
        *("conformer_transducer_xlarge", "conformer_transducer_xxlarge", "conformer_transducer_large_ls"),
        *("fastconformer_ctc_large", "fastconformer_ctc_xlarge", "fastconformer_ctc_xxlarge"),
        *("fastconformer_transducer_large", "fastconformer_transducer_xlarge", "fastconformer_transducer_xxlarge"),
        *("fastconformer_ctc_large_ls", "fastconformer_transducer_large_ls", "fastconformer_hybrid_large_pc"),
        *("fastconformer_hybrid_large_streaming_multi", "fastconformer_hybrid_large_streaming_80ms"),
        *("fastconformer_hybrid_large_streaming_480ms", "fastconformer_hybrid_large_streaming_1040ms"),
        *("fastconformer_hybrid_medium_streaming_80ms", "fastconformer_hybrid_medium_streaming_80ms_pc"),
        "fastconformer_tdt_large",
    ),
    "enes": (
        *("conformer_ctc_large", "conformer_transducer_large"),
        *("conformer_ctc_large_codesw", "conformer_transducer_large_codesw"),
    ),
    "ar": ("fastconformer_hybrid_large_pc_v1.0", "fastconformer_hybrid_large_pcd_v1.0"),
    "be": ("conformer_ctc_large", "conformer_transducer_large", "fastconformer_hybrid_large_pc"),
    "by": ("fastconformer_hybrid_large_pc",),
    "ca": ("conformer_ctc_large", "conformer_transducer_large"),
    "de": ("citrinet_1024", "conformer_ctc_large", "conformer_transducer_large", "fastconformer_hybrid_large_pc"),
    "eo": ("conformer_ctc_large", "conformer_transducer_large"),
    "es": (
        *("citrinet_512", "citrinet_1024_gamma_0_25", "conformer_ctc_large", "conformer_transducer_large"),
        *("fastconformer_hybrid_large_pc", "fastconformer_hybrid_large_pc_nc"),
    ),
    "fa": ("fastconformer_hybrid_large",),
    "fr": (
        *("citrinet_1024_gamma_0_25", "conformer_ctc_large", "conformer_transducer_large"),
        "fastconformer_hybrid_large_pc",
    ),
    "fr_no_hyphen": ("citrinet_1024_gamma_0_25", "conformer_ctc_large"),
    "hi": ("conformer_ctc_medium",),
    "hr": ("conformer_ctc_large", "conformer_transducer_large", "fastconformer_hybrid_large_pc"),
    "hy": ("fastconformer_hybrid_large_pc",),
    "it": ("conformer_ctc_large", "conformer_transducer_large", "fastconformer_hybrid_large_pc"),
    "ka": ("fastconformer_hybrid_large_pc", "fastconformer_hybrid_transducer_ctc_large_streaming_80ms_pc"),
    "kab": ("conformer_transducer_large",),
    "kk_ru": ("fastconformer_hybrid_large",),
    "mr": ("conformer_ctc_medium",),
    "multilingual": ("fastconformer_hybrid_large_pc", "fastconformer_hybrid_large_pc_blend_eu"),
    "nl": ("fastconformer_hybrid_large_pc",),
    "pl": ("fastconformer_hybrid_large_pc",),
    "pt": ("fastconformer_hybrid_large_pc",),
    "ru": ("conformer_ctc_large", "conformer_transducer_large", "fastconformer_hybrid_large_pc"),
    "rw": ("conformer_ctc_large", "conformer_transducer_large"),
    "ua": ("fastconformer_hybrid_large_pc",),
    "uz": ("fastconformer_hybrid_large_pc",),
    "zh": ("conformer_transducer_large",),
}
# Languages whose part of the name is not the usual code.
LANGUAGES = {"by": "be", "ua": "uk", "enes": "en, es", "kk_ru": "kk, ru", "fr_no_hyphen": "fr"}
LANGUAGES["multilingual"] = "be, de, en, es, fr, hr, it, pl, ru, uk"
PARAKEETS = (
    PublishedModel("nvidia/parakeet-ctc-0.6b", "en", "0.6B", "ctc"),
    PublishedModel("nvidia/parakeet-ctc-1.1b", "en", "1.1B", "ctc"),
    PublishedModel("nvidia/parakeet-rnnt-0.6b", "en", "0.6B", "transducer"),
    PublishedModel("nvidia/parakeet-rnnt-1.1b", "en", "1.1B", "transducer"),
    PublishedModel("nvidia/parakeet-tdt-1.1b", "en", "1.1B", "tdt"),
    PublishedModel("nvidia/parakeet-tdt-0.6b-v2", "en", "0.6B", "tdt"),
    PublishedModel("nvidia/parakeet-tdt-0.6b-v3", "25 European", "0.6B", "tdt"),
    PublishedModel("nvidia/parakeet-tdt_ctc-110m", "en", "110M", "hybrid tdt"),
    PublishedModel("nvidia/parakeet-tdt_ctc-1.1b", "en", "1.1B", "hybrid tdt"),
    PublishedModel("nvidia/parakeet-tdt_ctc-0.6b-ja", "ja", "0.6B", "hybrid tdt"),
    PublishedModel("nvidia/parakeet-ctc-0.6b-Vietnamese", "vi", "0.6B", "ctc"),
    PublishedModel("nvidia/parakeet-rnnt-110m-da-dk", "da", "110M", "transducer"),
    PublishedModel("nvidia/parakeet-unified-en-0.6b", "en", "0.6B", "transducer"),
    PublishedModel("nvidia/parakeet_realtime_eou_120m-v1", "en", "120M", "transducer"),
    PublishedModel("nvidia/nemotron-speech-streaming-en-0.6b", "en", "0.6B", "transducer"),
    PublishedModel("nvidia/nemotron-3.5-asr-streaming-0.6b", "40 locales", "0.6B", "prompted transducer"),
    PublishedModel("nvidia/multitalker-parakeet-streaming-0.6b-v1", "en", "0.6B", "multitalker transducer"),
    PublishedModel("nvidia/canary-qwen-2.5b", "en", "2.5B", "speech language model"),
)


def list_models(language: str | None = None) -> list[PublishedModel]:
    """List the published models, or those of one language (by its code, as in "en"), without network access."""
    models = [*PARAKEETS, *(_checkpoint(prefix, kind) for prefix, kinds in CHECKPOINTS.items() for kind in kinds)]
    return [model for model in models if language is None or language in model.language.split(", ")]


def full_name(name: str) -> str:
    """Add the organisation, which NeMo's users omit, to the name of a published model; others are unchanged."""
    published = f"{ORGANISATION}/{name}"
    return published if any(model.name == published for model in list_models()) else name


def _checkpoint(prefix: str, kind: str) -> PublishedModel:
    architecture = max((known for known in ARCHITECTURES if kind.startswith(known)), key=len)
    size, task = ARCHITECTURES[architecture]
    return PublishedModel(f"{ORGANISATION}/stt_{prefix}_{kind}", LANGUAGES.get(prefix, prefix), size, task)
