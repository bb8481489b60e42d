"""Reads conversations, in which texts and recordings alternate, as lines of a manifest.

NeMo's, where a turn is a text or a recording, and those of ShareGPT, where a text has a place for the only recording:

    {"id": "1", "conversations": [{"from": "User", "type": "text", "value": "What is said?"},
                                  {"from": "User", "type": "audio", "value": "a.wav", "offset": 1.0, "duration": 2.5},
                                  {"from": "Assistant", "type": "text", "value": "Good morning."}]}
    {"id": "1", "sound": "a.wav", "conversations": [{"from": "human", "value": "What is said? <sound>"}, ...]}

Both become

    {"audio_filepath": "a.wav", "duration": 2.5, "id": "1", "text": "Good morning.",
     "audios": [{"audio_filepath": "a.wav", "offset": 1.0, "duration": 2.5}],
     "messages": [{"role": "user", "content": "What is said? <audio>"}, {"role": "assistant", "content": ...}]}

with the seconds of all recordings together, and the last answer as the text. Neighbouring turns of one speaker are
joined by a space. The other fields of a line are kept, and so are those of its `custom`, if they hide none of these.

Source: NeMoMultimodalConversationJsonlAdapter and NeMoMultimodalConversationShareGPTJsonlAdapter in NeMo's
collections/common/data/lhotse/text_adapters.py.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jaxspeech.audio.read import read_seconds
from jaxspeech.data.files import Location, beside, is_url, open_binary
from jaxspeech.errors import AudioError, ManifestError
from jaxspeech.manifest_lines import AUDIO, FAULT, check_text, parse_line, part_of
from jaxspeech.text.chat import AUDIO_TAG
from jaxspeech.text.turns import ASSISTANT, SYSTEM, USER, Turn, join_turns

# The fields that a line of a manifest gets.
MESSAGES, AUDIOS = "messages", "audios"
# Who speaks, by what the lines say.
ROLES = {
    **{"user": USER, "human": USER, "system": SYSTEM},
    **{"assistant": ASSISTANT, "gpt": ASSISTANT, "model": ASSISTANT},
}
# Where ShareGPT's texts have the recording, and the fields that name it.
SOUNDS, SOUND = ("<sound>", "<speech>"), ("sound", "ori_sound")
# What a conversation without a recording counts as, in seconds.
SECONDS_OF_TEXT = 0.1


def holds_chats(head: bytes) -> bool:
    """Whether a file holds conversations, by its first line."""
    try:
        first = json.loads(head.lstrip().split(b"\n", 1)[0].decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return isinstance(first, dict) and isinstance(first.get("conversations"), list) and AUDIO not in first


def lines_of_chats(lines: Iterable[bytes], path: Location) -> Iterator[dict[str, Any] | None]:
    """Yield a manifest line for each conversation; None for a blank line, and for one that says `_skipme`.

    Args:
      lines: of the file.
      path: of it; names of recordings are relative to its folder.
    """
    for line in lines:
        if not line.strip():
            yield None
            continue
        try:
            fields = parse_line(line)
            custom = fields.get("custom")
            skipped = isinstance(custom, Mapping) and custom.get("_skipme")
            yield None if skipped else line_of_chat(fields, path)
        except (AudioError, ManifestError) as error:
            yield {FAULT: str(error)}


def line_of_chat(chat: Mapping[str, Any], path: Location) -> dict[str, Any]:
    """The manifest line of a conversation.

    Raises:
      ManifestError: a turn has no speaker or no text, or a place for a recording that the line does not name.
      AudioError: a recording without a duration cannot be measured.
    """
    found, audios = list[tuple[str, str]](), list[dict[str, Any]]()
    if not isinstance(chat.get("conversations"), list):
        raise ManifestError("no conversations")
    for number, turn in enumerate(chat["conversations"], 1):
        place = f"turn {number}"
        if not isinstance(turn, Mapping):
            raise ManifestError(f"{place} is {turn!r:.60}, not an object")
        role = ROLES.get(str(turn.get("from")).lower())
        if role is None:
            raise ManifestError(f"{place} is from {turn.get('from')!r}; it must be from {', '.join(ROLES)}")
        value = check_text(turn.get("value"), name=f"value of {place}")
        if turn.get("type", "text") not in ("text", "audio"):
            raise ManifestError(f"{place} has the type {turn['type']!r}; it must be text or audio")
        if turn.get("type") == "audio":
            audios.append(_audio(value, turn, path))
            value = AUDIO_TAG
        elif mark := next((mark for mark in SOUNDS if mark in value), None):
            name = next((chat[field] for field in SOUND if chat.get(field)), None)
            if name is None:
                raise ManifestError(f"{place} has {mark}, and the line no {SOUND[0]}")
            audios += [_audio(name, turn, path)] * value.count(mark)
            texts = [text.strip() for text in value.split(mark)]
            value = f" {AUDIO_TAG} ".join(texts).strip()
        found.append((role, value))
    turns = join_turns([Turn(*pair) for pair in found])
    if not turns or turns[-1].role != ASSISTANT:
        raise ManifestError("its last turn is no answer: there is nothing to learn")
    lengths = [audio["duration"] for audio in audios]
    custom = chat.get("custom")
    rest = {**(custom if isinstance(custom, Mapping) else {}), **chat}
    made = {name: value for name, value in rest.items() if name not in ("conversations", "custom", *SOUND)}
    name = audios[0][AUDIO] if audios else f"conversation {chat.get('id', '')}".strip()
    made |= {AUDIO: name, "duration": sum(lengths) or SECONDS_OF_TEXT, "text": turns[-1].text}
    return made | {MESSAGES: [{"role": turn.role, "content": turn.text} for turn in turns], AUDIOS: audios}


def _audio(name: Any, turn: Mapping[str, Any], path: Location) -> dict[str, Any]:
    """A recording of a conversation, measured if its length is not given."""
    part = part_of({AUDIO: name, "offset": turn.get("offset"), "duration": turn.get("duration")})
    duration = part.duration
    if duration is None:
        duration = _seconds(beside(path, part.name)) - part.offset
        if duration <= 0:
            raise ManifestError(f"{part.name} ends before its offset of {part.offset:g} s")
    return {AUDIO: part.name, "offset": part.offset, "duration": duration}


def _seconds(path: Location) -> float:
    if not is_url(path):
        return read_seconds(path)
    with open_binary(path, error=AudioError) as file:
        return read_seconds(file, name=str(path))
