"""Trains tokenizers on transcripts; `jaxspeech tokenizer` is the command.

The same texts give the same tokenizer, byte for byte. Texts are composed (NFC), and invisible characters left out.
"""

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import sentencepiece
from absl import logging

from jaxspeech.errors import ManifestError, TokenizerError
from jaxspeech.manifest_lines import DAMAGE, as_utf8, numbered_lines, parse_line
from jaxspeech.runtime.unicode import half_a_character
from jaxspeech.text.canonical import ZERO_WIDTH_NON_JOINER, compose, visible
from jaxspeech.text.char import SPACE, CharTokenizer
from jaxspeech.text.sentencepiece import SentencePieceTokenizer
from jaxspeech.text.tokenizer import Tokenizer


def train_tokenizer(
    texts: Iterable[str],
    *,
    type: Literal["bpe", "unigram", "char"],
    vocab_size: int = 1024,
    special: Sequence[str] = (),
) -> Tokenizer:
    """Train a tokenizer on transcripts.

    Args:
      texts: the transcripts; empty ones are skipped.
      type: SentencePiece "bpe" or "unigram", or "char": one token for each character that occurs.
      vocab_size: number of tokens, including the unknown token and the special ones; ignored for "char".
      special: tokens that stand for themselves, such as "<|en|>"; only of SentencePiece.

    Raises:
      TokenizerError: there is no text, or the vocabulary size does not fit it.
    """
    if type not in ("bpe", "unigram", "char"):
        raise TokenizerError(f"tokenizer type {type!r} is unknown; use bpe, unigram or char")
    if type == "char" and special:
        raise TokenizerError("a tokenizer of characters has no special tokens; use bpe or unigram")
    cleaned = (text for text in (" ".join(compose(visible(text)).split()) for text in texts) if text)
    if type == "char":
        characters = set().union(*map(set, cleaned))
        if characters:
            return CharTokenizer([SPACE, *sorted(characters - {SPACE})])
    elif listed := list(cleaned):
        return SentencePieceTokenizer(_train_sentencepiece(listed, type, vocab_size, special), invisible="drop")
    raise TokenizerError("there is no text to train a tokenizer on")


def _train_sentencepiece(texts: list[str], model_type: str, vocab_size: int, special: Sequence[str]) -> bytes:
    model = io.BytesIO()
    # SentencePiece's usual rule, which NeMo has too, makes the zero-width non-joiner of Persian words a space.
    rule = "nfkc" if any(ZERO_WIDTH_NON_JOINER in text for text in texts) else "nmt_nfkc"
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            model_type=model_type,
            vocab_size=vocab_size,
            character_coverage=1.0,
            normalization_rule_name=rule,
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            user_defined_symbols=list(special),
            max_sentence_length=1 << 20,  # longer texts would be silently left out
            num_threads=1,  # with more, the result depends on the machine
            minloglevel=3,
        )
    except RuntimeError as error:
        raise TokenizerError(_explain(str(error), vocab_size)) from error
    return model.getvalue()


def _explain(message: str, vocab_size: int) -> str:
    if found := re.search(r"too high .*<= (\d+)", message):
        return f"vocab_size={vocab_size} is too large for this text: at most {found[1]} works"
    if found := re.search(r"smaller than required_chars\. \d+ vs (\d+)", message):
        return f"vocab_size={vocab_size} is too small for this text: its characters alone take {found[1]}"
    return f"SentencePiece cannot train with vocab_size={vocab_size}: {' '.join(message.split())}"


def read_texts(
    manifests: Iterable[str], text_files: Iterable[str], *, report: Callable[[str], None] = logging.warning
) -> list[str]:
    """Read the `text` of every manifest line, and every line of the text files.

    Args:
      manifests: paths of JSON lines.
      text_files: paths of files with a text on each line.
      report: is called with a line about each text that is left out: its line is not UTF-8, or no file can hold it.

    Raises:
      TokenizerError: a file cannot be read, or a manifest line has no `text`.
    """
    texts = []
    for path in text_files:
        texts += filter(None, _read(path).split("\n"))  # not splitlines: a text may contain other separators
    return texts + [text for text, _ in manifest_texts(manifests, report=report)]


def manifest_texts(
    manifests: Iterable[str], *, report: Callable[[str], None]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the `text` of every line of manifests, and all its fields; the arguments are those of `read_texts`."""
    for path in manifests:
        for number, line in _lines(path):
            try:
                fields = parse_line(line)
            except ManifestError as error:
                if isinstance(error.__cause__, UnicodeDecodeError):  # a bad byte is the fault of one line
                    report(f"left out {path}:{number}: {error}")
                    continue
                fields = {}
            text = fields.get("text")
            if not isinstance(text, str):
                raise TokenizerError(f"{path}, line {number}: not a JSON object with a `text`; fix it")
            if half := half_a_character(text):
                report(f"left out {path}:{number}: it has {half}")
                continue
            yield text, fields


def _lines(path: str) -> list[tuple[int, bytes]]:
    try:
        with open(path, "rb") as file:
            return list(numbered_lines(as_utf8(file)))
    except (OSError, *DAMAGE) as error:
        raise TokenizerError(f"{path} cannot be read: {error}") from error


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenizerError(f"{path} cannot be read: {error}") from error


if __name__ == "__main__":
    raise SystemExit("this command is `jaxspeech tokenizer` now")
