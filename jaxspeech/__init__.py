"""Speech models in pure JAX.

    asr = jaxspeech.load("model.jaxspeech")             # or "model.nemo", or a name on the Hugging Face Hub
    asr.transcribe(["a.wav", "b.flac"])[0].text

    task = jaxspeech.build(asr.config)                  # pure functions over plain pytrees
    losses = jaxspeech.losses.ctc_loss(logits, num_frames, labels, num_labels, blank_id=V)

Names are imported when they are first used, so that `import jaxspeech` takes no time.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxspeech import losses as losses
    from jaxspeech.builder import build as build
    from jaxspeech.errors import SpeechError as SpeechError
    from jaxspeech.hub import list_models as list_models
    from jaxspeech.inference.answer import Answer as Answer
    from jaxspeech.inference.coded import Decoded as Decoded
    from jaxspeech.inference.coded import Encoded as Encoded
    from jaxspeech.inference.hypothesis import Hypothesis as Hypothesis
    from jaxspeech.inference.spoken import Spoken as Spoken
    from jaxspeech.loading import from_pretrained as from_pretrained
    from jaxspeech.loading import load as load
    from jaxspeech.pipelines.chat import Chat as Chat
    from jaxspeech.pipelines.classified import Classified as Classified
    from jaxspeech.pipelines.classifier import Classifier as Classifier
    from jaxspeech.pipelines.clustering_diarizer import ClusteringDiarizer as ClusteringDiarizer
    from jaxspeech.pipelines.codec import Codec as Codec
    from jaxspeech.pipelines.conversation import Conversation as Conversation
    from jaxspeech.pipelines.detection import Detected as Detected
    from jaxspeech.pipelines.diarized import Diarized as Diarized
    from jaxspeech.pipelines.diarizer import Diarizer as Diarizer
    from jaxspeech.pipelines.embedder import Embedded as Embedded
    from jaxspeech.pipelines.embedder import Embedder as Embedder
    from jaxspeech.pipelines.embedder import Identified as Identified
    from jaxspeech.pipelines.embedder import Verified as Verified
    from jaxspeech.pipelines.enhancer import Enhanced as Enhanced
    from jaxspeech.pipelines.enhancer import Enhancer as Enhancer
    from jaxspeech.pipelines.feature_extractor import Extracted as Extracted
    from jaxspeech.pipelines.feature_extractor import FeatureExtractor as FeatureExtractor
    from jaxspeech.pipelines.language_model import LanguageModel as LanguageModel
    from jaxspeech.pipelines.language_model import Perplexity as Perplexity
    from jaxspeech.pipelines.language_model import ScoredText as ScoredText
    from jaxspeech.pipelines.multitalker import MultitalkerRecognizer as MultitalkerRecognizer
    from jaxspeech.pipelines.recognizer import Recognizer as Recognizer
    from jaxspeech.pipelines.regressor import Estimated as Estimated
    from jaxspeech.pipelines.regressor import Regressor as Regressor
    from jaxspeech.pipelines.synthesizer import Synthesizer as Synthesizer
    from jaxspeech.pipelines.vocoder import Vocoded as Vocoded
    from jaxspeech.pipelines.vocoder import Vocoder as Vocoder

    __version__: str

# Each public name and the module that defines it; a module's own name stands for itself.
PUBLIC = {
    "Answer": "jaxspeech.inference.answer",
    "Chat": "jaxspeech.pipelines.chat",
    "Classified": "jaxspeech.pipelines.classified",
    "Classifier": "jaxspeech.pipelines.classifier",
    "ClusteringDiarizer": "jaxspeech.pipelines.clustering_diarizer",
    "Codec": "jaxspeech.pipelines.codec",
    "Conversation": "jaxspeech.pipelines.conversation",
    "Decoded": "jaxspeech.inference.coded",
    "Detected": "jaxspeech.pipelines.detection",
    "Diarized": "jaxspeech.pipelines.diarized",
    "Diarizer": "jaxspeech.pipelines.diarizer",
    "Embedded": "jaxspeech.pipelines.embedder",
    "Embedder": "jaxspeech.pipelines.embedder",
    "Encoded": "jaxspeech.inference.coded",
    "Enhanced": "jaxspeech.pipelines.enhancer",
    "Enhancer": "jaxspeech.pipelines.enhancer",
    "Estimated": "jaxspeech.pipelines.regressor",
    "Extracted": "jaxspeech.pipelines.feature_extractor",
    "FeatureExtractor": "jaxspeech.pipelines.feature_extractor",
    "Hypothesis": "jaxspeech.inference.hypothesis",
    "Identified": "jaxspeech.pipelines.embedder",
    "LanguageModel": "jaxspeech.pipelines.language_model",
    "MultitalkerRecognizer": "jaxspeech.pipelines.multitalker",
    "Perplexity": "jaxspeech.pipelines.language_model",
    "Recognizer": "jaxspeech.pipelines.recognizer",
    "Regressor": "jaxspeech.pipelines.regressor",
    "ScoredText": "jaxspeech.pipelines.language_model",
    "SpeechError": "jaxspeech.errors",
    "Spoken": "jaxspeech.inference.spoken",
    "Synthesizer": "jaxspeech.pipelines.synthesizer",
    "Verified": "jaxspeech.pipelines.embedder",
    "Vocoded": "jaxspeech.pipelines.vocoder",
    "Vocoder": "jaxspeech.pipelines.vocoder",
    "build": "jaxspeech.builder",
    "from_pretrained": "jaxspeech.loading",
    "list_models": "jaxspeech.hub",
    "load": "jaxspeech.loading",
    "losses": "jaxspeech.losses",
}

__all__ = [
    "Answer",
    "Chat",
    "Classified",
    "Classifier",
    "ClusteringDiarizer",
    "Codec",
    "Conversation",
    "Decoded",
    "Detected",
    "Diarized",
    "Diarizer",
    "Embedded",
    "Embedder",
    "Encoded",
    "Enhanced",
    "Enhancer",
    "Estimated",
    "Extracted",
    "FeatureExtractor",
    "Hypothesis",
    "Identified",
    "LanguageModel",
    "MultitalkerRecognizer",
    "Perplexity",
    "Recognizer",
    "Regressor",
    "ScoredText",
    "SpeechError",
    "Spoken",
    "Synthesizer",
    "Verified",
    "Vocoded",
    "Vocoder",
    "build",
    "from_pretrained",
    "list_models",
    "load",
    "losses",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version  # which take their time to import

        try:
            return version("jaxspeech")
        except PackageNotFoundError:
            return "0+unknown"  # a checkout on the path, not installed
    if name not in PUBLIC:
        raise AttributeError(f"module 'jaxspeech' has no attribute {name!r}")
    module = importlib.import_module(PUBLIC[name])
    value = module if module.__name__ == f"jaxspeech.{name}" and name == "losses" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(PUBLIC))
