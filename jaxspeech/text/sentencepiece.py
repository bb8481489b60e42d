"""A tokenizer into subwords by a SentencePiece model (BPE or unigram), with the model's own ids."""

import itertools
from typing import Any

import sentencepiece

from jaxspeech.errors import TokenizerError
from jaxspeech.runtime.unicode import half_a_character
from jaxspeech.text.canonical import form_to_encode, visible
from jaxspeech.text.spoken_in import Language
from jaxspeech.text.unknown import Unknown

MODEL_FILE = "tokenizer.model"
WORD_MARK = "\u2581"  # stands for the space before a word


class SentencePieceTokenizer:
    """Wraps an unchanged SentencePiece `.model`.

    Args:
      model: the content of the file.
      unknown: how `encode` treats a character that the model does not have: "unk" gives the unknown token (which a
        recogniser then learns to emit, as in NeMo), "drop" leaves it out, "error" raises a TokenizerError.
      invisible: "keep" gives the model invisible characters (soft hyphens, marks of direction), as in NeMo; "drop"
        leaves them out, as `train_tokenizer` does.
    """

    def __init__(self, model: bytes, *, unknown: str = "unk", invisible: str = "keep"):
        self._model = model
        self._unknown: str = unknown
        self._invisible: str = invisible
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError as error:
            raise TokenizerError("this is not a SentencePiece model; is the file complete?") from error
        if unknown not in ("unk", "drop", "error"):
            raise TokenizerError(f"unknown={unknown!r}: use 'unk', 'drop' or 'error'")
        if invisible not in ("keep", "drop"):
            raise TokenizerError(f"invisible={invisible!r}: use 'keep' or 'drop'")
        self.vocab_size: int = self._processor.get_piece_size()
        self.pieces: tuple[str, ...] = tuple(self._processor.id_to_piece(i) for i in range(self.vocab_size))
        self._unk: int = self._processor.unk_id()

    @classmethod
    def build(cls, *, files: dict[str, bytes], **options: Any) -> "SentencePieceTokenizer":
        """Rebuild the tokenizer from its `config()` and `files()`."""
        if MODEL_FILE not in files:
            raise TokenizerError(f"a SentencePiece tokenizer needs its file {MODEL_FILE}; found {sorted(files)}")
        return cls(files[MODEL_FILE], **options)

    def encode(self, text: str, language: Language = None) -> list[int]:
        text = self._form(text)
        ids: list[int] = self._encoded(text, int)
        if self._unknown == "unk" or self._unk not in ids:
            return ids
        if self._unknown == "drop":
            return [i for i in ids if i != self._unk]
        pieces = self._encoded(text, str)
        missing = next(piece for piece, i in zip(pieces, ids, strict=True) if i == self._unk)
        raise TokenizerError(
            f"{missing!r} is not in the tokenizer's vocabulary; normalise the text, train the tokenizer on it, or set "
            "unknown='unk' or 'drop'"
        )

    def find_unknown(self, text: str, language: Language = None) -> Unknown:
        text = self._form(text)
        ids, pieces = self._encoded(text, int), self._encoded(text, str)
        spelled = [(piece.replace(WORD_MARK, ""), i == self._unk) for piece, i in zip(pieces, ids, strict=True)]
        spelled = [(piece, unknown) for piece, unknown in spelled if piece]
        missing = "".join(piece for piece, unknown in spelled if unknown)
        characters = sum(len(piece) for piece, _ in spelled)
        return Unknown(len(spelled), sum(unknown for _, unknown in spelled), characters, len(missing), missing)

    def _form(self, text: str) -> str:
        """The form of a text that is encoded."""
        if self._invisible == "drop":
            text = " ".join(visible(text).split())
        return form_to_encode(text, lambda form: self._count_unknown(self._encoded(form, int)))

    def _count_unknown(self, ids: list[int]) -> int:
        return sum(i == self._unk or self._processor.is_byte(i) for i in ids)

    def _encoded(self, text: str, kind: type) -> Any:
        try:
            return self._processor.encode(text, out_type=kind)
        except RuntimeError:
            if half := half_a_character(text):
                raise TokenizerError(f"the text cannot be encoded: it has {half}") from None
            raise

    def decode(self, ids: Any) -> str:
        return self._processor.decode([int(i) for i in ids])

    def word_spans(self, ids: Any) -> list[tuple[str, int, int]]:
        ids = [int(i) for i in ids]
        # A word begins at a piece with the mark; the unknown token is a separate word.
        begins = [
            place
            for place, i in enumerate(ids)
            if self.pieces[i].startswith(WORD_MARK) or self._unk in (i, *ids[max(place - 1, 0) : place])
        ]
        bounds = sorted({0, *begins, len(ids)})
        spans = [(self.decode(ids[a:b]).strip(), a, b) for a, b in itertools.pairwise(bounds)]
        return [span for span in spans if span[0]]

    def config(self) -> dict[str, Any]:
        config = {"type": "sentencepiece", "unknown": self._unknown}
        return config if self._invisible == "keep" else config | {"invisible": self._invisible}

    def files(self) -> dict[str, bytes]:
        return {MODEL_FILE: self._model}
