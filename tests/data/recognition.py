"""Makes the data of a recogniser: samples and labels of a manifest."""

from jaxspeech.data.columns.audio import audio
from jaxspeech.data.columns.transcripts import transcripts
from jaxspeech.data.loader import EvaluationData, TrainingData
from jaxspeech.tasks.recognition import Utterances


def columns(manifest, tokenizer, **options):
    """The options are those of `audio`."""
    return {"samples": audio(manifest, **options), "labels": transcripts(manifest, tokenizer)}


def training_data(manifest, tokenizer, *, sample_rate, cache_bytes=2**30, augment=None, seed=0, **options):
    made = columns(manifest, tokenizer, sample_rate=sample_rate, cache_bytes=cache_bytes, augment=augment, seed=seed)
    return TrainingData(manifest, made, Utterances, augment=augment, seed=seed, **options)


def evaluation_data(manifest, tokenizer, *, sample_rate, **options):
    return EvaluationData(manifest, columns(manifest, tokenizer, sample_rate=sample_rate), Utterances, **options)
