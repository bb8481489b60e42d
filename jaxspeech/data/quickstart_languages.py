"""Makes the corpus of the recipe in two languages: the quickstart's sentences in English, and others in Esperanto.

    jaxspeech prepare quickstart_languages    # data/quickstart_languages
    jaxspeech prepare quickstart_en           # the English half, and its evaluation
    jaxspeech prepare quickstart_eo           # the Esperanto half, and its evaluation

Every line has the language of its text in "lang". The evaluation has three parts: "en", "eo", and "mixed", in which one
voice says a sentence in each language, without a pause; there "lang" has a language for each word. No recording to
train on is mixed: the recipe joins them. Half of these begin at once, and half end at once, so that many that are
joined have no pause either. The voices and the sentences of the evaluation do not occur in training.
"""

import random
import sys
from collections.abc import Iterator
from functools import partial

from jaxspeech.data.esperanto import translate
from jaxspeech.data.quickstart import UNHEARD_ACCENT, split_variants
from jaxspeech.data.sentences import sentence
from jaxspeech.data.spoken import ACCENTS, INVENTED_SHARE, SpokenCorpus, Utterance, draw_manner, draw_voice

ENGLISH, ESPERANTO = "en", "eo"
LANGUAGES = (ENGLISH, ESPERANTO)


def plan(
    variants: dict[str, str], *, train: int, mixed: int = 0, languages: tuple[str, ...] = LANGUAGES, **single: int
) -> dict[str, list[Utterance]]:
    """Plan every utterance.

    Args:
      variants: definition of each of eSpeak's speaker variants, by name.
      train: number of training utterances, the same of each language.
      mixed: number of utterances in both languages, for evaluation.
      languages: of the corpus.
      single: number of utterances in each language, for evaluation.
    """
    heard, unheard = split_variants(variants)
    taken: set[str] = set()
    parts = {name: list(_utterances(name, single[name], (name,), unheard, taken)) for name in languages}
    if len(languages) > 1:
        parts["mixed"] = list(_utterances("mixed", mixed, languages, unheard, taken))
    training: list[Utterance] = []
    for language in languages:
        training += _utterances("train", train // len(languages), (language,), heard, taken, invented=INVENTED_SHARE)
    return {"train": training, **parts}


def _utterances(
    part: str,
    count: int,
    languages: tuple[str, ...],
    variants: list[str],
    taken: set[str],
    *,
    invented: float = 0.0,
) -> Iterator[Utterance]:
    """Plans utterances with a sentence in each of the languages; English sentences that are taken are not used.

    Those of an evaluation are taken, for both languages: a sentence and its translation have the same form.
    """
    for i in range(count):
        rng = random.Random(f"{part} {'-'.join(languages)} {i}")
        order = rng.sample(languages, len(languages))
        said = [_sentence(rng, taken) for _ in order]
        if part != "train":
            taken.update(said)
        texts = [text if language == ENGLISH else translate(text) for text, language in zip(said, order, strict=True)]
        accents = (*ACCENTS, *(() if part == "train" else (UNHEARD_ACCENT,)))
        drawn = draw_voice(rng, i, accents=accents, variants=variants, invented=invented)
        accent, _, variant = drawn.partition("+")
        voices = [f"{accent if language == ENGLISH else ESPERANTO}+{variant}" for language in order]
        manner = draw_manner(rng)
        if part == "train":
            manner["silence"] = tuple(seconds * rng.randrange(2) for seconds in manner["silence"])
        by_word = [language for text, language in zip(texts, order, strict=True) for _ in text.split()]
        yield Utterance(
            name=f"{part}/{'-'.join(languages)}{i:05d}",
            text=texts[0],
            voice=voices[0],
            **manner,
            then=tuple(zip(texts[1:], voices[1:], strict=True)),
            fields={"lang": languages[0] if len(languages) == 1 else by_word},
        )


def _sentence(rng: random.Random, taken: set[str]) -> str:
    text = sentence(rng)
    while text in taken:
        text = sentence(rng)
    return text


QUICKSTART_LANGUAGES = SpokenCorpus(
    name="quickstart_languages",
    module="jaxspeech.data.quickstart_languages",
    version=2,
    sample_rate=16000,
    sizes={"train": 8000, "en": 150, "eo": 150, "mixed": 150},
    plan=plan,
)
QUICKSTART_EN, QUICKSTART_EO = (
    QUICKSTART_LANGUAGES._replace(
        name=f"quickstart_{language}",
        module=f"jaxspeech.data.quickstart_{language}",
        sizes={"train": 4000, language: 150},
        plan=partial(plan, languages=(language,)),
    )
    for language in LANGUAGES
)

if __name__ == "__main__":
    sys.exit(QUICKSTART_LANGUAGES.main())
