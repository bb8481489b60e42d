"""The job of recognition: utterances with transcripts, a tokenizer, the word error rate."""

from collections.abc import Callable
from typing import Any

from jaxspeech.archive import Archive
from jaxspeech.assets import Assets
from jaxspeech.data.columns.column import Column
from jaxspeech.data.columns.transcripts import transcripts
from jaxspeech.data.example_set import ExampleSet
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.evaluation.word_error_rate import word_error_rate
from jaxspeech.jobs.job import Job, ModelConfig, Settings
from jaxspeech.jobs.known_texts import look_at_texts
from jaxspeech.jobs.recordings import manifest_with, recordings
from jaxspeech.report.replay import Replay
from jaxspeech.report.transcripts import TranscriptView
from jaxspeech.search.tokens import Tokens
from jaxspeech.surgery.vocabulary import change_vocabulary
from jaxspeech.tasks.recognition import RecognitionTask
from jaxspeech.tasks.task import Task
from jaxspeech.text.choose import choose_tokenizer, texts_needed

TOO_LONG = "a transcript too long for its audio"


def _assets(settings: Settings, manifest: ExampleSet, given: Assets) -> Assets:
    """Makes the tokenizer that the recipe describes: often a new one, trained on the transcripts."""
    chosen = settings["tokenizer"]
    texts = manifest.texts(at_most=texts_needed(chosen))
    return {"tokenizer": choose_tokenizer(chosen, texts, given=given.get("tokenizer"))}


def _sized(model: ModelConfig, assets: Assets) -> ModelConfig:
    return model | {"decoder": model["decoder"] | {"vocab_size": assets["tokenizer"].vocab_size}}


def _columns(manifest: ExampleSet, assets: Assets, task: Task) -> dict[str, Column]:
    del task
    return {"labels": transcripts(manifest, assets["tokenizer"])}


def _evaluation(settings: Settings, assets: Assets, task: Task) -> Evaluation:
    del settings, task
    return word_error_rate(assets["tokenizer"])


def _adapted(archive: Archive, assets: Assets, seed: int) -> Archive:
    """Keeps the weights of pieces that both tokenizers have, and initialises those of new pieces."""
    tokenizer = assets["tokenizer"]
    if tokenizer.pieces == archive.assets["tokenizer"].pieces:
        return archive
    return change_vocabulary(archive, tokenizer, seed=seed)


def _describe(assets: Assets) -> str:
    return f"{assets['tokenizer'].vocab_size} tokens"


def _view(
    task: RecognitionTask, predict: Callable[..., Tokens], assets: Assets, put: Callable[[Any], Any]
) -> TranscriptView:
    return TranscriptView(Replay(task, predict, tokenizer=assets["tokenizer"], put=put))


RECOGNITION = Job(
    source=manifest_with("text"),
    assets=_assets,
    sized=_sized,
    data=recordings(_columns, need=("text",), identity=("text",), look=look_at_texts, infeasible=TOO_LONG),
    evaluation=_evaluation,
    adapted=_adapted,
    describe=_describe,
    view=_view,
    fixed=("tokenizer",),
    infeasible=TOO_LONG,
)
