"""Texts of tokens that come one by one; see also test_byte_pair, whose tokens may end within a character."""

from jaxspeech.text.incremental_decoder import IncrementalDecoder
from jaxspeech.text.train import train_tokenizer


def test_words_of_sentencepiece_keep_their_spaces() -> None:
    texts = ["the cat sat on the mat", "a dog ran to the cat"] * 5
    tokenizer = train_tokenizer(texts, type="bpe", vocab_size=24)
    for text in texts:
        ids, stream = tokenizer.encode(text), IncrementalDecoder(tokenizer)
        assert "".join(stream.push(i) for i in ids) + stream.finish() == text == tokenizer.decode(ids)


def test_a_stream_can_be_used_again_after_its_end() -> None:
    class Bytes:
        def decode(self, ids):
            return bytes(ids).decode(errors="replace")

    stream = IncrementalDecoder(Bytes())
    assert [stream.push(i) for i in "ü".encode()[:1]] == [""] and stream.pending
    assert stream.finish() == "\ufffd" and stream.finish() == "" and not stream.pending
    assert [stream.push(i) for i in "aü".encode()] == ["a", "", "ü"] and stream.finish() == ""
