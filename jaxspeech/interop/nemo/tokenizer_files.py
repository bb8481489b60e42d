"""A tokenizer in the peer's form: the section `tokenizer` of its configuration, and the files that go with it."""

import hashlib
from typing import Any

import sentencepiece

from jaxspeech.errors import ArchiveError
from jaxspeech.text.sentencepiece import MODEL_FILE, WORD_MARK
from jaxspeech.text.tokenizer import Tokenizer

# Pieces that the peer's vocab.txt leaves out.
SPECIAL = ("<s>", "</s>", "<pad>", "<unk>")


def tokenizer_files(tokenizer: Tokenizer) -> tuple[dict[str, Any] | None, dict[str, bytes]]:
    """The section, None for characters (the peer keeps those as labels), and the files by name.

    Raises:
      ArchiveError: a kind of tokenizer that cannot be written.
    """
    kind = tokenizer.config()["type"]
    if kind == "char":
        return None, {}
    if kind != "sentencepiece":
        raise ArchiveError(f"a tokenizer of type {kind!r} cannot be written (only 'char' and 'sentencepiece')")
    model = tokenizer.files()[MODEL_FILE]
    scores = sentencepiece.SentencePieceProcessor(model_proto=model)
    vocab = "".join(f"{piece}\t{scores.get_score(i):g}\n" for i, piece in enumerate(tokenizer.pieces))
    words = "".join(f"{_wordpiece(piece)}\n" for piece in tokenizer.pieces if piece not in SPECIAL)
    contents = {
        "model_path": ("tokenizer.model", model),
        "vocab_path": ("vocab.txt", words.encode()),
        "spe_tokenizer_vocab": ("tokenizer.vocab", vocab.encode()),
    }
    section, files = {"dir": ".", "type": "bpe"}, {}
    for argument, (name, content) in contents.items():
        # The peer puts a random number before the name; so that the same model gives the same file, ours is a hash.
        stored = f"{hashlib.sha256(content).hexdigest()[:32]}_{name}"
        section[argument], files[stored] = f"nemo:{stored}", content
    return section, files


def _wordpiece(piece: str) -> str:
    """As BERT spells pieces, which the peer's vocab.txt takes over: ## where no word begins."""
    if piece.startswith(WORD_MARK):
        return piece.removeprefix(WORD_MARK) or piece
    return f"##{piece}"
