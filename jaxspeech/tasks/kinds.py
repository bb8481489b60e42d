"""The kinds of models, defined by their inference functions: `Task.inference` is one of these records.

Every function is pure and takes the variables first. "Waveforms" stands for padded samples [B S] with num_samples [B].
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Float, Int

from jaxspeech.diarization.stream_settings import StreamSettings
from jaxspeech.search.tokens import Tokens
from jaxspeech.speaker_masks import SpeakerMasks
from jaxspeech.tasks.asked import Asked
from jaxspeech.types import Size, Variables

Samples = Float[Any, "B S"]
Lengths = Int[Any, " B"]
Frames = Float[Array, "B T D"]


class IncrementalSearch(NamedTuple):
    """A search that processes the encoder's frames part by part.

    Attributes:
      start: (variables, batch size) -> state before the first frame.
      step: (variables, encoder frames, num_frames, state) -> (Tokens, whose frames count from the start of the
        recording; how many of the first tokens replace the last ones of the previous step [B]; state).
    """

    start: Callable[[Variables, Size], Any]
    step: Callable[[Variables, Frames, Lengths, Any], tuple[Tokens, Int[Array, " B"], Any]]


class Attention(NamedTuple):
    """Where an attention decoder looks when it predicts each token of a text, and the end of the text: N = U + 1.

    Attributes:
      scores: how well each token fits each frame, see `search.attention_times`.
      weights: of the attention, the mean over its heads.
    """

    scores: Float[Any, "B N T"]
    weights: Float[Any, "B N T"]


class Prompting(NamedTuple):
    """How a recogniser is asked for something.

    Attributes:
      most_tokens: of prompt and text together.
      complete: (variables, encoder frames, num_frames, Asked with languages) -> (Asked with complete prompts, the token
        of the language that was found in each row [B]); None if all prompts are complete.
      attend: (variables, encoder frames, num_frames, Asked with complete prompts, token ids [B U], num_tokens) -> where
        the decoder looks; None for a model without an attention decoder.
    """

    most_tokens: int
    complete: Callable[[Variables, Frames, Lengths, Asked], tuple[Asked, Lengths]] | None = None
    attend: Callable[[Variables, Frames, Lengths, Asked, Int[Any, "B U"], Lengths], Attention] | None = None


class Recognition(NamedTuple):
    """Speech to text.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      frame_seconds: seconds of audio per encoder frame.
      vocab_size: V, tokens without the blank.
      encode: waveforms -> (encoder frames [B T D], num_frames [B]).
      decode: (variables, encoder frames, num_frames) -> Tokens, by the search that is configured; with `Asked` as the
        fourth argument if the model reads prompts.
      log_probs: (variables, encoder frames) -> [B T V+1] float32, the blank last; None without a CTC head. With `Asked`
        as the third argument if the model reads prompts and has no attention decoder: its head sees the prompt too.
      incremental: the greedy search, part by part; None if a beam search is configured.
      prompts: how it is asked for something; None for a model without prompts.
      decode_best: what `decode` does, with the keyword `num_best` -> the best hypotheses, the best first; None for a
        greedy search. Ranks without a hypothesis have no tokens and the score -inf.
    """

    sample_rate: int
    frame_seconds: float
    vocab_size: int
    encode: Callable[[Variables, Samples, Lengths], tuple[Frames, Lengths]]
    decode: Callable[..., Tokens]
    log_probs: Callable[..., Float[Array, "B T W"]] | None
    incremental: IncrementalSearch | None
    prompts: Prompting | None = None
    decode_best: Callable[..., list[Tokens]] | None = None

    @property
    def prompted(self) -> bool:
        """Whether it reads a prompt."""
        return self.prompts is not None

    @property
    def attends(self) -> bool:
        """Whether an attention decoder writes its texts."""
        return self.prompts is not None and self.prompts.attend is not None


class TalkerRecognition(NamedTuple):
    """Speech of one of several speakers to text.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      frame_seconds: seconds of audio per encoder frame, which the masks have too.
      vocab_size: V, tokens without the blank.
      encode: (variables, samples, num_samples, masks of the speaker and the others) -> (encoder frames, num_frames).
      decode: (variables, encoder frames, num_frames) -> Tokens, by the search that is configured.
      incremental: the greedy search, part by part; None if a beam search is configured.
    """

    sample_rate: int
    frame_seconds: float
    vocab_size: int
    encode: Callable[[Variables, Samples, Lengths, SpeakerMasks], tuple[Frames, Lengths]]
    decode: Callable[[Variables, Frames, Lengths], Tokens]
    incremental: IncrementalSearch | None

    @property
    def prompted(self) -> bool:
        """Whether it reads a prompt: never."""
        return False


class Classification(NamedTuple):
    """Speech to classes: of a whole recording, or of each of its frames.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      frame_seconds: seconds of audio per vector of probabilities; None if a recording has one vector.
      probs: waveforms -> probabilities [B C], or ([B T C], num_frames [B]) if each frame is classified.
      shortest_seconds: a shorter recording has no result.
    """

    sample_rate: int
    frame_seconds: float | None
    probs: Callable[[Variables, Samples, Lengths], Any]
    shortest_seconds: float = 0.0


class Regression(NamedTuple):
    """Speech to one number.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      number: waveforms -> numbers [B].
      shortest_seconds: a shorter recording has no result.
    """

    sample_rate: int
    number: Callable[[Variables, Samples, Lengths], Float[Array, " B"]]
    shortest_seconds: float = 0.0


class Embedding(NamedTuple):
    """Speech to a vector that identifies the speaker.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      width: E, the width of the vector.
      embed: waveforms -> vectors [B E], not normalised.
    """

    sample_rate: int
    width: int
    embed: Callable[[Variables, Samples, Lengths], Float[Array, "B E"]]


class Diarization(NamedTuple):
    """Speech to the activity of each speaker over time.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      frame_seconds: seconds of audio per frame.
      most_speakers: maximum number of speakers, the columns of the activity.
      activity: waveforms -> (probabilities that each speaker is active [B T speakers], num_frames [B]); the speakers
        are in the order in which they begin to speak.
      streaming: the sizes of a stream that the model is made for, see `forms.speaker_streaming`; None if it only takes
        whole recordings.
    """

    sample_rate: int
    frame_seconds: float
    most_speakers: int
    activity: Callable[[Variables, Samples, Lengths], tuple[Float[Array, "B T _"], Lengths]]
    streaming: StreamSettings | None = None


class Enhancement(NamedTuple):
    """Noisy or mixed speech to clean speech.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      channels: number of channels that a recording must have; None: any number.
      enhance: (variables, samples [B C S], num_samples [B]) -> samples [B M S], zeros after the last sample of a row.
        With the options below it takes one keyword each.
      scaled: whether the model divides a row by its peak; the keyword `peak` [B] is that of the whole recording of
        which a row is a part, and None, the default, that of the row.
      random: whether the model draws noise; the keyword `key` is a random key for each row [B], or one for all of them,
        so that a row does not depend on the others; by default always the same one.
    """

    sample_rate: int
    channels: int | None
    enhance: Callable[..., Float[Array, "B M S"]]
    scaled: bool = False
    random: bool = False


class Timing(NamedTuple):
    """What a text-to-mel model computes before its frames.

    Attributes:
      durations: frames of each symbol, 0 beyond a row's symbols.
      hidden: whatever the frames are made of besides: arrays, in tuples or dicts, B leading in each.
    """

    durations: Int[Any, "B N"]
    hidden: Any


class Synthesis(NamedTuple):
    """Text to mel frames, in two programs: the host reads the durations of the first, which size the second.

    Attributes:
      sample_rate: of the audio that the frames are of, in Hz.
      hop: samples from one frame to the next.
      mel: the `features.mel.MelSpectrogram` that computes such frames of recordings.
      vocab_size: number of symbols.
      num_speakers: those of the model, numbered from 0; 0 for a model of one voice, which ignores the speaker.
      durations: (variables, text [B N], num_symbols [B], speaker [B], pace [B], pitch_shift [B]) -> Timing. A pace of 2
        is twice as fast; the shift is in standard deviations of the pitch. With `styled`, a last argument (samples
        [B S], num_samples [B]) is a recording for each row, which is spoken like.
      frames: (variables, Timing, T, which is a static number of frames) -> mel frames [B T F], of which a row has the
        sum of its durations.
      styled: whether the model takes its manner of speaking from a recording.
    """

    sample_rate: int
    hop: int
    mel: Any
    vocab_size: int
    num_speakers: int
    durations: Callable[..., Timing]
    frames: Callable[[Variables, Timing, Size], Frames]
    styled: bool = False


class IncrementalVocoding(NamedTuple):
    """A vocoder that works part by part; all parts together give what the whole gives.

    Attributes:
      delay: frames by which the samples are late. The first `delay * hop` samples are to be dropped, and as many
        frames follow the last one, whatever they hold.
      start: (variables, batch size) -> state before the first frame.
      step: (variables, mel frames [B T F], num_frames [B] that are left of each row, state) -> (samples [B T*hop],
        state).
    """

    delay: int
    start: Callable[[Variables, Size], Any]
    step: Callable[[Variables, Frames, Lengths, Any], tuple[Samples, Any]]


class Vocoding(NamedTuple):
    """Mel frames to waveforms.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      hop: samples of each frame.
      mel: the `features.mel.MelSpectrogram` that computes such frames of recordings.
      vocode: (variables, mel frames [B T F], num_frames [B]) -> samples [B T*hop], 0 beyond a row's frames.
      incremental: the same part by part; None if the model cannot.
    """

    sample_rate: int
    hop: int
    mel: Any
    vocode: Callable[[Variables, Frames, Lengths], Samples]
    incremental: IncrementalVocoding | None = None


class Speaking(NamedTuple):
    """Text to speech: a text-to-mel model and the vocoder of its frames; both take the variables of the whole.

    Attributes:
      synthesis: text to mel frames.
      vocoding: mel frames to waveforms.
    """

    synthesis: Synthesis
    vocoding: Vocoding


class Coding(NamedTuple):
    """Audio to the ids of a codec, and back.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      frame_samples: samples of a frame.
      num_codebooks: C, the ids of a frame.
      codebook_size: number of different ids.
      encode: (variables, samples [B S], num_samples [B]) -> (ids [B C T], num_frames [B]); 0 after the last frame of a
        row, of which ceil(n / frame_samples) come from n samples.
      decode: (variables, ids [B C T], num_frames [B]) -> (samples [B S], num_samples [B]), of whole frames.
      causal: whether no sample depends on later frames, so that ids can be decoded part by part.
    """

    sample_rate: int
    frame_samples: int
    num_codebooks: int
    codebook_size: int
    encode: Callable[[Variables, Samples, Lengths], tuple[Int[Array, "B C T"], Lengths]]
    decode: Callable[[Variables, Int[Any, "B C T"], Lengths], tuple[Samples, Lengths]]
    causal: bool


class Encoding(NamedTuple):
    """Speech to the frames of an encoder that was trained without labels.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      frame_seconds: seconds of audio per encoder frame.
      width: D, of the frames.
      encode: waveforms -> (encoder frames [B T D], num_frames [B]).
      shortest_seconds: the least that a recording must have.
    """

    sample_rate: int
    frame_seconds: float
    width: int
    encode: Callable[[Variables, Samples, Lengths], tuple[Frames, Lengths]]
    shortest_seconds: float = 0.0


class Answering(NamedTuple):
    """Conversations with audio in them to answers.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      frame_seconds: seconds of audio per place in a prompt.
      vocab_size: V, the rows of the language model's table; a tokenizer may have fewer tokens.
      frames: numbers of samples [N] -> how many places in a prompt such audios take [N], on the host. An audio without
        samples takes none.
      start: (variables, prompts, most_tokens) -> (logits of the first token of each answer [B V], state with room for
        so many tokens). The prompts are `tasks.speech_lm.Conversations`, of which the first `num_prompt` places count.
      step: (variables, token ids [B], state) -> (logits of the next token [B V], state).
    """

    sample_rate: int
    frame_seconds: float
    vocab_size: int
    frames: Callable[[Int[Any, " N"]], Int[Any, " N"]]
    start: Callable[[Variables, Any, int], tuple[Float[Array, "B V"], Any]]
    step: Callable[[Variables, Int[Any, " B"], Any], tuple[Float[Array, "B V"], Any]]


class Generation(NamedTuple):
    """One token after another: language models, attention decoders, speech language models.

    Attributes:
      start: (variables, input that the tokens are conditioned on) -> state before the first token.
      step: (variables, token ids [B], state) -> (logits of the next token [B V], state).
    """

    start: Callable[[Variables, Any], Any]
    step: Callable[[Variables, Int[Any, " B"], Any], tuple[Float[Array, "B V"], Any]]
