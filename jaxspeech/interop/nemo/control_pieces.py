"""Names the pieces of a SentencePiece model that begin, end and pad a text: NeMo asks SentencePiece for their ids."""

import sentencepiece

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.protobuf import encode_bytes, encode_number, fields_of_message
from jaxspeech.text.prompt_slots import END, START
from jaxspeech.text.sentencepiece import MODEL_FILE, SentencePieceTokenizer
from jaxspeech.text.tokenizer import Tokenizer

# Fields of SentencePiece's messages, and the type of a piece that is never a part of a text.
PIECES, TRAINER, TEXT, TYPE, CONTROL = 1, 2, 1, 3, 3
IDS, NAMES = (41, 42, 43), (46, 47, 48)


def start_and_end(tokenizer: Tokenizer) -> tuple[int, int]:
    """Returns the ids of the pieces that begin and end a text: SentencePiece's, or else those of our prompts.

    Raises:
      ArchiveError: the tokenizer has no such pieces.
    """
    files, pieces = tokenizer.files(), list(tokenizer.pieces)
    if MODEL_FILE not in files:
        raise ArchiveError("not supported: an attention decoder without prompts whose tokenizer is not SentencePiece's")
    model = sentencepiece.SentencePieceProcessor(model_proto=files[MODEL_FILE])
    if min(model.bos_id(), model.eos_id()) >= 0:
        return model.bos_id(), model.eos_id()
    if START in pieces and END in pieces:
        return pieces.index(START), pieces.index(END)
    raise ArchiveError("its tokenizer has no pieces that begin and end a text (bos and eos)")


def with_control_pieces(tokenizer: Tokenizer, start: int, end: int) -> Tokenizer:
    """Returns the tokenizer whose SentencePiece model names these pieces; itself if it does already.

    Padding is the piece that begins texts, unless the model has one: no text has it among its targets.
    """
    content = tokenizer.files()[MODEL_FILE]
    model = sentencepiece.SentencePieceProcessor(model_proto=content)
    if (model.bos_id(), model.eos_id()) == (start, end):
        return tokenizer
    ids = (start, end, start if model.pad_id() < 0 else model.pad_id())
    names = [tokenizer.pieces[i].encode() for i in ids]
    parts = []
    for field in fields_of_message(content):
        if field.number == PIECES and _text(field.value) in names:
            parts.append(encode_bytes(PIECES, field.value + encode_number(TYPE, CONTROL)))  # the last value counts
        else:
            parts.append(field.encoded)
    # A message that occurs twice is merged with the first.
    trainer = b"".join(encode_number(field, i) for field, i in zip(IDS, ids, strict=True))
    trainer += b"".join(encode_bytes(field, name) for field, name in zip(NAMES, names, strict=True))
    options = {name: value for name, value in tokenizer.config().items() if name != "type"}
    return SentencePieceTokenizer(b"".join(parts) + encode_bytes(TRAINER, trainer), **options)


def _text(piece: bytes) -> bytes:
    return next((field.value for field in fields_of_message(piece) if field.number == TEXT), b"")
