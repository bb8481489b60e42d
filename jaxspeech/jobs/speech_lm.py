"""The job of speech language models: conversations with recordings, a tokenizer and a form of chats, scored answers.

A recipe's `chat` is the form of its conversations, and `asked` what a user says about the recordings of plain lines
(`prompts`, one of which each training example draws) and how an answer is scored where its line does not say it. Its
`parts` name the trained models whose `encoder` and `decoder` a new model takes: a recogniser, and a language model in a
folder of Hugging Face Transformers.
"""

import contextlib
import random
from collections.abc import Iterator, Mapping
from typing import Any

import jax
from tqdm import tqdm

from jaxspeech.archive import Archive
from jaxspeech.assets import Assets
from jaxspeech.builder import build
from jaxspeech.data.augment import parse_augment
from jaxspeech.data.chat_lines import MESSAGES
from jaxspeech.data.chat_turns import CONTEXT, SYSTEM_PROMPT, parse_prompts, turns_of
from jaxspeech.data.columns.chat import chat_columns
from jaxspeech.data.columns.column import Column
from jaxspeech.data.frame_counts import FrameCounts
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.run_data import RunData, make_run_data
from jaxspeech.errors import ConfigError, SpeechError, TokenizerError, did_you_mean
from jaxspeech.evaluation.answers import BLEU, SCORE, WER, answers, check_score
from jaxspeech.evaluation.bleu import check_bleu
from jaxspeech.evaluation.evaluation import Evaluation, Fields
from jaxspeech.jobs.job import Job, ModelConfig, Placement, Report, Settings, Taken
from jaxspeech.jobs.recordings import manifest_with
from jaxspeech.loading import read_model
from jaxspeech.manifest_lines import parse_line
from jaxspeech.surgery.average import TRAINING_ONLY
from jaxspeech.surgery.encoder import ENCODER, encoder_note
from jaxspeech.tasks.task import Task
from jaxspeech.text.chat import CHAT, Chat
from jaxspeech.text.chat_prompts import ChatPrompts
from jaxspeech.text.choose import choose_tokenizer, texts_needed
from jaxspeech.text.turns import USER
from jaxspeech.types import Variables

SPEECH_LM_TASK = "speech_lm"
ASKED, PARTS = "asked", "parts"
PROMPTS = ("Transcribe the following: <audio>",)
# The parts of a model that can come from other models: fields of its module -> sections of its configuration.
FIELDS_OF = {"encoder": {"frontend": "features", "encoder": "encoder"}, "decoder": {"decoder": "decoder"}}
# Fields in which the new model may differ from what it takes: LoRA begins without an effect.
BESIDE = ("lora", "parent", "name")


def _asked(settings: Settings) -> tuple[tuple[str, ...], str]:
    """The prompts of plain lines, and the score of lines that do not say it."""
    section = dict(settings.get(ASKED) or {})
    for name in section:
        if name not in ("prompts", "score"):
            raise ConfigError(f"{ASKED}.{name}: no such field{did_you_mean(name, ('prompts', 'score'))}")
    prompts = parse_prompts(section.get("prompts", PROMPTS), name=f"{ASKED}.prompts")
    return prompts, check_score(section.get("score", WER), where=f"{ASKED}.score")


def _assets(settings: Settings, manifest: Manifest, given: Assets) -> Assets:
    """Makes the form of the conversations, and the tokenizer: often that of a language model."""
    chat = given[CHAT] if CHAT in given else _chat(settings.get(CHAT) or {})
    chosen = settings["tokenizer"]
    texts = _texts(manifest, _asked(settings)[0], chat, at_most=texts_needed(chosen))
    tokenizer = choose_tokenizer(chosen, texts, given=given.get("tokenizer"), special=chat.special)
    if not chat.end_ids(tokenizer):
        raise ConfigError(
            f"chat.template: an answer in the form {chat.template!r} has no end that this tokenizer knows, so that the "
            "model could not learn to stop"
        )
    return {"tokenizer": tokenizer, CHAT: chat}


def _chat(section: Mapping[str, Any]) -> Chat:
    try:
        return Chat.build(section, {})
    except (TokenizerError, TypeError) as error:
        raise ConfigError(f"chat: {error}") from error


class _Writer:
    """Stands for a tokenizer that is still to be trained: keeps the texts that it would encode."""

    def __init__(self, special: tuple[str, ...]):
        self.pieces, self.begin_id, self.end_id = special, 0, 0
        self.texts: list[str] = []

    def encode(self, text: str, language: Any = None) -> list[int]:
        del language
        self.texts.append(text)
        return []


def _texts(manifest: Manifest, prompts: tuple[str, ...], chat: Chat, *, at_most: int | None) -> Iterator[str]:
    """Yields what a tokenizer has to encode: the texts of conversations, between special tokens and recordings."""
    rng = random.Random(0)
    for line in manifest.lines(at_most=at_most):
        writer = _Writer(chat.special)
        with contextlib.suppress(SpeechError):  # which the line's row raises again
            chat.encode(turns_of(parse_line(line), prompts, rng.choice, tag=chat.locator), writer)
        yield from writer.texts


def _sized(model: ModelConfig, assets: Assets) -> ModelConfig:
    tokenizer, decoder = assets["tokenizer"], model["decoder"]
    rows = decoder.get("vocab_size") or tokenizer.vocab_size
    if rows < tokenizer.vocab_size:
        raise ConfigError(f"model.decoder.vocab_size is {rows}; the tokenizer has {tokenizer.vocab_size} tokens")
    ends = tuple(assets[CHAT].end_ids(tokenizer))
    return model | {
        "decoder": decoder | {"vocab_size": rows},
        "search": {**(model.get("search") or {}), "end_ids": ends},
    }


def _data(
    settings: Settings, manifest: Manifest, assets: Assets, task: Task, placement: Placement, report: Report
) -> RunData:
    """Makes batches of conversations, each place of which is a token or a frame of audio."""
    of_data, augment = settings["data"], parse_augment(settings["augment"])
    if settings.get("mixing"):
        raise ConfigError("mixing is for tasks with one recording a line; leave it out, or use augment.noise")
    prompts, frames = ChatPrompts(assets[CHAT], assets["tokenizer"]), FrameCounts(task.inference.frames)
    options: Any = {"asked": _asked(settings)[0], "frames": frames, "sample_rate": task.inference.sample_rate}
    options |= {"channel": of_data["channel"], "seed": of_data["seed"]}

    def columns_of(manifest: Any, *, train: bool) -> Mapping[str, Column]:
        if not train:
            _check_scores(manifest, _asked(settings)[1])
        return chat_columns(manifest, prompts, augment=augment if train else None, **options)

    return make_run_data(
        of_data,
        manifest,
        columns_of,
        task.batch,
        identity_fields=("text", CONTEXT, SYSTEM_PROMPT, MESSAGES),
        augment=augment,
        report=report,
        need=("text",),
        **placement._asdict(),
    )


def _check_scores(manifest: Manifest, score: str) -> None:
    """Checks before the first step that the answers of an evaluation set can be scored.

    Raises:
      ConfigError: a line asks for an unknown score, or sacrebleu is missing where one asks for BLEU.
    """
    place = f'{manifest.problems.name}: the "{SCORE}" of a line'
    for name in {parse_line(line).get(SCORE, score) for line in manifest.lines()}:
        if check_score(name, where=place) == BLEU:
            check_bleu()


def _evaluation(settings: Settings, assets: Assets, task: Task) -> Evaluation:
    prompts, score = _asked(settings)

    def asked(fields: Fields) -> str:
        turns = turns_of(fields, prompts, tag=assets[CHAT].locator)
        return [turn.text for turn in turns if turn.role == USER][-1]

    return answers(assets["tokenizer"], score=score, asked=asked)


def _taken(model: ModelConfig, archive: Archive) -> Taken:
    """All of a speech language model, and the encoder of a recogniser."""
    if archive.model["task"] == SPEECH_LM_TASK:
        return Taken()
    return Taken((ENCODER,), encoder_note(model, archive))


def _adapted(archive: Archive, assets: Assets, seed: int) -> Archive:
    """Keeps the weights as they are: a decoder's table belongs to its tokenizer."""
    del seed
    if archive.model["task"] != SPEECH_LM_TASK:
        return archive
    if assets["tokenizer"].pieces != archive.assets["tokenizer"].pieces:
        raise ConfigError('tokenizer: a speech language model is trained further with its own tokenizer, type "model"')
    return archive


def _given(settings: Settings) -> Variables:
    """The encoder and the decoder of trained models."""
    section = dict(settings.get(PARTS) or {})
    for name in section:
        if name not in FIELDS_OF:
            raise ConfigError(f"{PARTS}.{name}: no such part{did_you_mean(name, FIELDS_OF)}")
    found: dict[str, Any] = {}
    for name in (name for name in FIELDS_OF if section.get(name)):
        archive = read_model(section[name])
        _check_part(settings["model"], archive, name, section[name])
        taken = {collection: tree[name] for collection, tree in archive.variables.items() if name in tree}
        for collection, tree in taken.items():
            found.setdefault(collection, {})[name] = tree
        tqdm.write(f"Starting from the {name} of {section[name]}: {len(jax.tree.leaves(taken))} arrays")
    return found


def _check_part(model: ModelConfig, archive: Archive, name: str, path: str) -> None:
    """Checks that a part of a trained model computes the same in the new one.

    Raises:
      ConfigError: the trained model has no such part, or a field differs that says what the part computes.
    """
    if not {*FIELDS_OF[name].values()} <= {*archive.model}:
        raise ConfigError(f"{PARTS}.{name}: {path} is a model of the task {archive.model['task']!r}, which has none")
    ours, theirs = (build(dict(config)).model for config in (model, archive.model))
    for field, section in FIELDS_OF[name].items():
        first, second = getattr(ours, field), getattr(theirs, field)
        for option in ("__class__", *first.__dataclass_fields__):
            here, there = getattr(first, option), getattr(second, option, None)
            if option not in BESIDE and not TRAINING_ONLY.search(option) and here != there:
                named = section if option == "__class__" else f"{section}.{option}"
                raise ConfigError(
                    f"model.{named} is {here!r}, and {there!r} in {path}, whose {name} is taken: make them equal"
                )


SPEECH_LM = Job(
    source=manifest_with("text"),
    assets=_assets,
    sized=_sized,
    data=_data,
    evaluation=_evaluation,
    adapted=_adapted,
    describe=lambda assets: f"{assets['tokenizer'].vocab_size} tokens, conversations {assets[CHAT].template!r}",
    fixed=("tokenizer", CHAT),
    taken=_taken,
    given=_given,
)
