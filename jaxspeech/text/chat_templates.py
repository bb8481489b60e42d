"""The templates of chats: what stands around the text of each role.

    qwen      <|im_start|>user\\n TEXT <|im_end|>\\n    <|im_start|>assistant\\n TEXT <|im_end|>\\n
    llama3    <|begin_of_text|>    <|start_header_id|>user<|end_header_id|>\\n\\n TEXT <|eot_id|>    ...
    llama2    |bos|[INST] <<SYS>>\\n TEXT \\n<</SYS>>\\n\\n TEXT [/INST]    TEXT |eos|
    plain     TEXT    TEXT

Source: the formats of the same names in NeMo's collections/common/prompts. NeMo's qwen has no system turn; here it has
the one of its published models.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from jaxspeech.errors import TokenizerError, did_you_mean
from jaxspeech.text.turns import ASSISTANT, ROLES, SYSTEM, USER

# At the start or the end of a template's text: the tokenizer's first or last token, which no text spells.
FIRST_TOKEN, LAST_TOKEN = "|bos|", "|eos|"
# What a template writes of special tokens.
SPECIAL = re.compile(r"<\|[^|<>]*\|>|<s>|</s>|</?think>|<(?:start|end)_of_turn>|<SPECIAL_\d+>")


class Template(NamedTuple):
    """What stands around the texts of a conversation.

    Attributes:
      roles: for each role, what is before and after its text.
      answer: what is before an answer that is to be generated.
      start: what is before the first turn.
      end: what is after the last answer of a training example.
      system_in_user: what is before and after a system text that has no turn but stands in the first user's text.
      ends: the special tokens that end an answer, beside the tokenizer's own.
      thinks: whether an answer begins with a block of thoughts (see `text.thinking`), and only the last is learned.
    """

    roles: Mapping[str, tuple[str, str]]
    answer: str = ""
    start: str = ""
    end: str = ""
    system_in_user: tuple[str, str] | None = None
    ends: tuple[str, ...] = ()
    thinks: bool = False

    @property
    def special(self) -> tuple[str, ...]:
        """The special tokens that a tokenizer must have for this template, in the order of their first use."""
        texts = [self.start, *(text for around in self.roles.values() for text in around), self.answer, self.end]
        return tuple(dict.fromkeys(token for text in texts for token in SPECIAL.findall(text)))


_IM = {role: (f"<|im_start|>{role}\n", "<|im_end|>\n") for role in ROLES}
_QWEN = Template(_IM, answer=_IM[ASSISTANT][0], ends=("<|im_end|>",))
_HEADERS = {role: (f"<|start_header_id|>{role}<|end_header_id|>\n\n", "<|eot_id|>") for role in ROLES}


def _two_roles(before: str, after: str, answer_after: str = "") -> dict[str, tuple[str, str]]:
    return {USER: (before, after), ASSISTANT: ("", answer_after)}


TEMPLATES: dict[str, Template] = {
    "gemma": Template(
        _two_roles("<start_of_turn>user\n", "<end_of_turn>\n<start_of_turn>model\n", "<end_of_turn>\n"),
        start=FIRST_TOKEN,
        end=LAST_TOKEN,
        ends=("<end_of_turn>",),
    ),
    "llama2": Template(
        _two_roles(f"{FIRST_TOKEN}[INST] ", " [/INST]", f" {LAST_TOKEN}"),
        system_in_user=("<<SYS>>\n", "\n<</SYS>>\n\n"),
    ),
    "llama3": Template(_HEADERS, answer=_HEADERS[ASSISTANT][0], start="<|begin_of_text|>", ends=("<|eot_id|>",)),
    "mistral": Template(_two_roles("[INST] ", " [/INST] ", "</s>"), start="<s>", ends=("</s>",)),
    "nemotron-h": Template(
        {
            SYSTEM: ("<SPECIAL_10>System\n", ""),
            USER: ("\n<SPECIAL_11>User\n", ""),
            ASSISTANT: ("\n<SPECIAL_11>Assistant\n", ""),
        },
        answer="\n<SPECIAL_11>Assistant\n",
        ends=("<SPECIAL_11>",),
    ),
    "phi2_chat": Template(_two_roles("Human: ", "\nAI: ")),
    "phi2_code": Template(_two_roles("", "\n")),
    "phi2_qa": Template(_two_roles("Instruct: ", "\nOutput: ")),
    "plain": Template(_two_roles("", "")),
    "qwen": _QWEN,
    "qwen3": _QWEN._replace(thinks=True),
}


def chat_template(name: str) -> Template:
    """Returns the template of a name.

    Raises:
      TokenizerError: there is none; the line has the nearest name, or all of them.
    """
    if name not in TEMPLATES:
        raise TokenizerError(f"the chat template {name!r} is unknown{did_you_mean(name, TEMPLATES)}")
    return TEMPLATES[name]
