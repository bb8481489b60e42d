"""Writes a tokenizer as NeMo stores it: the section `tokenizer` of its configuration, and the files that it names."""

import hashlib
from collections.abc import Mapping
from typing import Any

import sentencepiece

from jaxspeech.text.prompt_slots import SPECIAL as SPECIAL_TOKEN
from jaxspeech.text.sentencepiece import MODEL_FILE, WORD_MARK
from jaxspeech.text.wordpiece import INSIDE, VOCAB_FILE

# Pieces that NeMo leaves out of vocab.txt, its human-readable list.
SPECIAL = ("<s>", "</s>", "<pad>", "<unk>")


def tokenizer_files(
    config: Mapping[str, Any], files: Mapping[str, bytes]
) -> tuple[dict[str, Any] | None, dict[str, bytes]]:
    """Makes the section, and its files by the names that they have in the .nemo file.

    Args:
      config, files: what our tokenizer's `config()` and `files()` return.
    Returns:
      The section and the files; None and no files for characters, which NeMo keeps as labels.
    """
    match config["type"]:
        case "sentencepiece":
            pieces = sentencepiece.SentencePieceProcessor(model_proto=files[MODEL_FILE])
            artifacts = {
                "model_path": ("tokenizer.model", files[MODEL_FILE]),
                "vocab_path": ("vocab.txt", _words(pieces)),
                "spe_tokenizer_vocab": ("tokenizer.vocab", _scores(pieces)),
            }
            return _stored("bpe", artifacts)
        case "wordpiece":
            return _stored("wpe", {"vocab_path": ("vocab.txt", files[VOCAB_FILE])})
        case "aggregate":
            sections, stored = {}, {}
            for language, own in config["languages"].items():
                prefix = f"{language}."
                of_language = {n.removeprefix(prefix): data for n, data in files.items() if n.startswith(prefix)}
                sections[language], contents = tokenizer_files(own, of_language)
                stored |= contents
            return {"type": "agg", "langs": sections}, stored
    return None, {}


def _stored(kind: str, artifacts: Mapping[str, tuple[str, bytes]]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Makes the section for files, given as argument -> name and content.

    NeMo puts a random number before each name; ours is a hash, so that the same model gives the same file.
    """
    section, stored = {"dir": ".", "type": kind}, {}
    for argument, (name, content) in artifacts.items():
        unique = f"{hashlib.sha256(content).hexdigest()[:32]}_{name}"
        section[argument], stored[unique] = f"nemo:{unique}", content
    return section, stored


def _pieces(model: Any) -> list[str]:
    return [model.id_to_piece(i) for i in range(model.get_piece_size())]


def _words(model: Any) -> bytes:
    """The pieces in the spelling of WordPiece, which marks those that do not begin a word."""
    spelled = [
        (piece.removeprefix(WORD_MARK) or piece) if piece.startswith(WORD_MARK) else INSIDE + piece
        for piece in _pieces(model)
        if piece not in SPECIAL and not SPECIAL_TOKEN.fullmatch(piece)
    ]
    return "".join(f"{piece}\n" for piece in spelled).encode()


def _scores(model: Any) -> bytes:
    """The pieces and their scores, as SentencePiece's trainer writes them."""
    return "".join(f"{piece}\t{model.get_score(i):g}\n" for i, piece in enumerate(_pieces(model))).encode()
