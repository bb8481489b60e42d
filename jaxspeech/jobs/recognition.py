"""The job of recognition: utterances with transcripts, a tokenizer, the word error rate.

A model with a language prompt also has the names of its languages: those of the recipe's `prompt.languages` with the
number of each, or those of the training data in the order of their names. Its utterances have a language.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from jaxspeech.archive import Archive
from jaxspeech.assets import Assets
from jaxspeech.data.code_switched import code_switched_manifest
from jaxspeech.data.columns.column import Column
from jaxspeech.data.columns.languages import languages
from jaxspeech.data.columns.transcripts import transcripts
from jaxspeech.data.example_set import ExampleSet
from jaxspeech.data.manifest import Manifest
from jaxspeech.errors import ConfigError
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.evaluation.word_error_rate import word_error_rate
from jaxspeech.jobs.job import Job, ModelConfig, Report, Settings
from jaxspeech.jobs.known_texts import look_at_texts
from jaxspeech.jobs.recordings import manifest_with, recordings
from jaxspeech.manifest_lines import parse_line
from jaxspeech.report.replay import Replay
from jaxspeech.report.transcripts import TranscriptView
from jaxspeech.search.tokens import Tokens
from jaxspeech.surgery.vocabulary import change_vocabulary
from jaxspeech.tasks.recognition import RecognitionTask
from jaxspeech.tasks.task import Task
from jaxspeech.text.choose import choose_tokenizer, texts_needed
from jaxspeech.text.language_names import FIELD, SLOT, LanguageNames, numbered
from jaxspeech.text.spoken_in import Language

TOO_LONG = "a transcript too long for its audio"


def _source(settings: Settings, report: Report) -> Manifest:
    """Opens the training data, some of it joined if the recipe has a part `code_switched`."""
    manifest = manifest_with("text")(settings, report)
    if switching := settings.get("code_switched"):
        manifest = code_switched_manifest(switching, manifest, seed=settings["data"]["seed"])
        report(f"code-switched: {sum(len(one) > 1 for one in manifest.members)} joined utterances")
    return manifest


def _assets(settings: Settings, manifest: ExampleSet, given: Assets) -> Assets:
    """Makes the tokenizer that the recipe describes: often a new one, trained on the transcripts."""
    chosen = settings["tokenizer"]
    most = texts_needed(chosen)
    texts, spoken = manifest.texts(at_most=most), _spoken(manifest, most)
    options: Any = {"given": given.get("tokenizer"), "special": chosen.get("special", ())}
    tokenizer = choose_tokenizer(chosen, texts, spoken=spoken, **options)
    made: dict[str, Any] = {"tokenizer": tokenizer}
    if settings["model"].get("language_prompt"):
        made["prompt"] = given["prompt"] if "prompt" in given else _language_names(settings, manifest)
    return made


def _spoken(manifest: ExampleSet, most: int | None) -> Iterator[tuple[str, Language]]:
    """Yields the texts with their languages."""
    for line in manifest.lines(at_most=most):
        fields = parse_line(line)
        yield str(fields.get("text") or ""), fields.get(FIELD)


def _language_names(settings: Settings, manifest: ExampleSet) -> LanguageNames:
    """Makes the names of the languages of a recipe."""
    chosen = (settings.get("prompt") or {}).get("languages")
    if isinstance(chosen, Mapping):
        return LanguageNames(chosen)
    if not chosen:
        both = zip(manifest.texts(SLOT), manifest.texts(FIELD), strict=True)
        chosen = sorted({target or lang for target, lang in both} - {""})
    if not chosen:
        raise ConfigError(f'prompt.languages: name them; no line of the training data has a "{SLOT}" or "{FIELD}"')
    return numbered(list(chosen))


def _sized(model: ModelConfig, assets: Assets) -> ModelConfig:
    sized = model | {"decoder": model["decoder"] | {"vocab_size": assets["tokenizer"].vocab_size}}
    prompt = model.get("language_prompt")
    if not prompt or "prompt" not in assets:
        return sized
    needed, given = assets["prompt"].num_prompts, prompt.get("num_prompts", 0)
    if given and given < needed:
        raise ConfigError(f"model.language_prompt.num_prompts is {given}; the languages need {needed}")
    return sized | {"language_prompt": prompt | {"num_prompts": given or needed}}


def _columns(manifest: ExampleSet, assets: Assets, task: Task, *, train: bool = False) -> dict[str, Column]:
    columns = {"labels": transcripts(manifest, assets["tokenizer"])}
    if task.inference.prompted:
        prompt = task.model.language_prompt
        columns["language"] = languages(
            manifest, assets["prompt"], mode=prompt.mode, auto_share=prompt.auto_share, train=train
        )
    return columns


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
    prompted = f", prompts of {assets['prompt'].num_prompts} languages" if "prompt" in assets else ""
    return f"{assets['tokenizer'].vocab_size} tokens{prompted}"


def _view(
    task: RecognitionTask, predict: Callable[..., Tokens], assets: Assets, put: Callable[[Any], Any]
) -> TranscriptView:
    return TranscriptView(Replay(task, predict, tokenizer=assets["tokenizer"], put=put))


RECOGNITION = Job(
    source=_source,
    assets=_assets,
    sized=_sized,
    data=recordings(
        _columns,
        need=("text",),
        identity=("text",),
        look=look_at_texts,
        infeasible=TOO_LONG,
        of_training=partial(_columns, train=True),
    ),
    evaluation=_evaluation,
    adapted=_adapted,
    describe=_describe,
    view=_view,
    fixed=("tokenizer", "prompt"),
    infeasible=TOO_LONG,
)
