"""The job of recognition and translation with an attention decoder: prompts and texts, word error rate and BLEU."""

from jaxspeech.archive import Archive
from jaxspeech.assets import Assets
from jaxspeech.data.columns.column import Column
from jaxspeech.data.columns.prompts import prompts
from jaxspeech.data.columns.said import said
from jaxspeech.data.columns.transcripts import transcripts
from jaxspeech.data.example_set import ExampleSet
from jaxspeech.errors import ConfigError
from jaxspeech.evaluation.bleu import check_bleu
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.evaluation.translation import transcripts_and_translations
from jaxspeech.jobs.job import Job, ModelConfig, Report, Settings
from jaxspeech.jobs.known_texts import look_at_texts
from jaxspeech.jobs.recordings import manifest_with, recordings
from jaxspeech.tasks.task import Task
from jaxspeech.text.choose import choose_tokenizer, texts_needed
from jaxspeech.text.prompt import PromptFormat, special_tokens
from jaxspeech.text.prompt_slots import END, START


def _assets(settings: Settings, manifest: ExampleSet, given: Assets) -> Assets:
    """Makes the tokenizer, with the special tokens of the recipe's prompts, and the format of the prompts."""
    if "prompt" in given:
        return {"tokenizer": given["tokenizer"], "prompt": given["prompt"]}
    chosen, name = settings["tokenizer"], settings["prompt"]["format"]
    texts = manifest.texts(at_most=texts_needed(chosen))
    needed = [START, END, *settings["prompt"]["special"]]
    tokenizer = choose_tokenizer(chosen, texts, given=given.get("tokenizer"), special=needed)
    special = special_tokens(tokenizer)
    if missing := [piece for piece in needed if piece not in special]:
        raise ConfigError(f"tokenizer: it has no token {missing[0]}, which prompt.special or the decoder needs")
    start = special[START] if name == "start" else None
    return {
        "tokenizer": tokenizer,
        "prompt": PromptFormat(name, start_id=start, defaults=settings["prompt"]["defaults"]),
    }


def _sized(model: ModelConfig, assets: Assets) -> ModelConfig:
    tokenizer = assets["tokenizer"]
    ends = special_tokens(tokenizer).get(END, model["decoder"].get("end_id", 0))
    return model | {"decoder": model["decoder"] | {"vocab_size": tokenizer.vocab_size, "end_id": ends}}


def _columns(manifest: ExampleSet, assets: Assets, task: Task) -> dict[str, Column]:
    tokenizer, prompt = assets["tokenizer"], assets["prompt"]
    columns = {"prompt": prompts(manifest, tokenizer, prompt), "labels": transcripts(manifest, tokenizer)}
    return columns | ({"said": said(manifest, tokenizer, prompt)} if task.model.loss.ctc_weight else {})


def _look(manifest: ExampleSet, assets: Assets, train: bool, report: Report) -> None:
    """Looks at the texts, and checks before the first step that translations can be scored."""
    look_at_texts(manifest, assets, train, report)
    prompt = assets["prompt"]
    if not train and any(prompt.translates(manifest[example].fields) for example in range(len(manifest))):
        check_bleu()


def _evaluation(settings: Settings, assets: Assets, task: Task) -> Evaluation:
    del settings, task
    return transcripts_and_translations(assets["tokenizer"], translates=assets["prompt"].translates)


def _adapted(archive: Archive, assets: Assets, seed: int) -> Archive:
    del seed
    if assets["tokenizer"].pieces != archive.assets["tokenizer"].pieces:
        raise ConfigError('tokenizer: an attention decoder is trained further with its own tokenizer, type "model"')
    return archive


def _describe(assets: Assets) -> str:
    return f"{assets['tokenizer'].vocab_size} tokens, prompts {assets['prompt'].format!r}"


ATTENTION = Job(
    source=manifest_with("text"),
    assets=_assets,
    sized=_sized,
    data=recordings(_columns, need=("text",), identity=("text",), look=_look),
    evaluation=_evaluation,
    adapted=_adapted,
    describe=_describe,
    fixed=("tokenizer", "prompt"),
)
