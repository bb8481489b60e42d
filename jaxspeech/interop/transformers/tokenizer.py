"""Converts a tokenizer.json of the `tokenizers` library back to the SentencePiece model that it was made from.

Parakeet's tokenizers are converted SentencePiece models. The conversion is undone: pieces, scores (for BPE: the order
of the merges) and the map of characters are put back into SentencePiece's own format, a protocol buffer. So
SentencePiece does the encoding and decoding, and the model can be written to a .nemo file.
"""

import base64
import binascii
import itertools
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.protobuf import encode_bytes, encode_number
from jaxspeech.text.sentencepiece import WORD_MARK, SentencePieceTokenizer

# Values of SentencePiece's enumerations.
UNIGRAM, BPE = 1, 2
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
BYTES = {f"<0x{byte:02X}>" for byte in range(256)}
MOST_PIECES = 1 << 20
DAMAGE = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, struct.error, binascii.Error)


def read_tokenizer(content: Mapping[str, Any], num_tokens: int) -> SentencePieceTokenizer:
    """Reads the tokenizer of a tokenizer.json.

    Args:
      content: of the file.
      num_tokens: of the model's decoder, without the blank; ids after them (blank, padding) are left out.
    Raises:
      ArchiveError: it is damaged, lacks some of the tokens, or has no equivalent in SentencePiece.
    """
    try:
        return SentencePieceTokenizer(_model(content, num_tokens))
    except DAMAGE as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(f"its tokenizer.json is damaged, or not SentencePiece's ({error!r:.200})") from error


def count_tokens(content: Mapping[str, Any], num_outputs: int, *, multiple: int) -> int:
    """Counts the tokens of a decoder whose outputs are rounded up to a multiple, so that the last stand for no token.

    Raises:
      ArchiveError: the tokenizer.json is damaged.
    """
    try:
        model, added = content["model"], content.get("added_tokens") or ()
        ids = model["vocab"].values() if model["type"] == "BPE" else range(len(model["vocab"]))
        known = {*ids, *(token["id"] for token in added)}
    except DAMAGE as error:
        raise ArchiveError(f"its tokenizer.json is damaged, or not SentencePiece's ({error!r:.200})") from error
    first = num_outputs - multiple + 1
    return next((i for i in range(max(first, 1), num_outputs) if i not in known), num_outputs)


def _model(content: Mapping[str, Any], num_tokens: int) -> bytes:
    """Makes SentencePiece's ModelProto."""
    model = content["model"]
    match model["type"]:
        case "BPE":
            scores = _merge_scores(model["merges"])
            by_id = {i: (piece, scores.get(piece, -float(len(scores)))) for piece, i in model["vocab"].items()}
            unknown = model.get("unk_token")
        case "Unigram":
            by_id = {i: (piece, float(score)) for i, (piece, score) in enumerate(model["vocab"])}
            unknown = None if model.get("unk_id") is None else by_id[model["unk_id"]][0]
        case kind:
            raise ArchiveError(f"not supported: a tokenizer of type {kind!r} (can be 'BPE', 'Unigram')")
    added = {token["id"]: token for token in content.get("added_tokens") or ()}
    by_id |= {i: (token["content"], by_id.get(i, ("", 0.0))[1]) for i, token in added.items()}
    missing = [i for i in range(num_tokens) if i not in by_id]
    if missing:
        raise ArchiveError(f"its tokenizer has no token {missing[0]}, but its decoder has {num_tokens}")
    with_bytes = bool(model.get("byte_fallback")) and {by_id[i][0] for i in range(num_tokens)} >= BYTES

    def kind_of(i: int, piece: str) -> int:
        if piece == unknown:
            return UNKNOWN
        if i in added:
            return CONTROL if added[i].get("special") else USER_DEFINED
        return BYTE if with_bytes and piece in BYTES else NORMAL

    if unknown not in (by_id[i][0] for i in range(num_tokens)):
        raise ArchiveError("not supported: a tokenizer without an unknown token")
    pieces = b"".join(_piece(*by_id[i], kind_of(i, by_id[i][0])) for i in range(num_tokens))
    trainer = encode_number(3, BPE if model["type"] == "BPE" else UNIGRAM) + encode_number(35, with_bytes)
    trainer += encode_bytes(45, str(unknown).encode())
    return pieces + encode_bytes(2, trainer) + encode_bytes(3, _normalizer(content))


def _merge_scores(merges: list[Any]) -> dict[str, float]:
    """Scores for SentencePiece, which merges the pair whose union has the highest score: that of the earliest merge."""
    unions = ("".join(merge.split(" ") if isinstance(merge, str) else merge) for merge in merges)
    return {union: -float(rank) for rank, union in reversed(list(enumerate(unions)))}


def _normalizer(content: Mapping[str, Any]) -> bytes:
    """Makes SentencePiece's NormalizerSpec: map of characters, space before the first word, several spaces as one."""
    characters, first_space, one_space = b"", False, False
    parts = itertools.chain(_parts(content, "normalizer"), _parts(content, "pre_tokenizer"))
    for part in parts:
        pattern = part.get("pattern") or {}
        match part["type"]:
            case "Precompiled":
                characters = base64.b64decode(part["precompiled_charsmap"] or "", validate=True)
            case "Metaspace" if part.get("replacement", WORD_MARK) == WORD_MARK:
                first_space = part.get("prepend_scheme", "always") != "never" and part.get("add_prefix_space", True)
            case "Prepend" if part["prepend"] in (WORD_MARK, " "):
                first_space = True
            case "Replace" if pattern.get("Regex") in (" {2,}", " +"):
                one_space = True
            case "Replace" if pattern.get("String") == " " and part["content"] == WORD_MARK:
                pass
            case "Strip" | "WhitespaceSplit":
                pass
            case kind:
                raise ArchiveError(f"not supported: a tokenizer with {kind!r} and these options")
    spec = encode_bytes(2, characters) if characters else b""
    return spec + encode_number(3, first_space) + encode_number(4, one_space) + encode_number(5, True)


def _parts(content: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    part = content.get(name)
    if part and part["type"] == "Sequence":
        yield from part["normalizers" if name == "normalizer" else "pretokenizers"]
    elif part:
        yield part


def _piece(piece: str, score: float, kind: int) -> bytes:
    # A piece may contain neither a zero byte nor a newline.
    if not piece or re.search(r"[\x00\n]", piece):
        raise ArchiveError(f"not supported: the token {piece!r}")
    return encode_bytes(
        1, encode_bytes(1, piece.encode()) + b"\x15" + struct.pack("<f", score) + encode_number(3, kind)
    )
