"""Compiles the cases for a GPU or TPU that this machine does not have, and predicts their memory and time there.

    python -m benchmarks --target=h200               all cases that fit the number of devices
    python -m benchmarks --target=v5e:4x4 --only=train_ctc_115m

Each case is a program and the shapes of its arguments; nothing is executed. The prediction is `targets.roofline`'s.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh

from benchmarks import generation, task_programs, text_to_mel
from benchmarks.enhancement import generative_model, mask_model, spectrum_model
from benchmarks.long_audio import WINDOW
from benchmarks.models import attention_config, ctc_config, nest_config, transducer_config
from benchmarks.streaming import LEFT, LIVE
from benchmarks.target_programs import Case, encode_over_devices, infer, loss, stream, train
from jaxspeech.configs import codec, hifigan, vocos
from jaxspeech.targets.compiled import compile_for
from jaxspeech.targets.target import find_target
from jaxspeech.training.flops import step_flops
from jaxspeech.training.sharding import make_mesh

HALF = {"dtype": "bfloat16"}
# A beam search runs its loop once for each frame and each token of the longest hypothesis.
BEAM_ROUNDS = 12.5 + 4.0
# That of CTC once for each frame that is not blank; about half of them.
CTC_ROUNDS = 6.25
# An attention decoder's once for each token.
TOKEN_ROUNDS = 4.0


class OnTarget(NamedTuple):
    """A case, and the number of devices that it is for."""

    make: Callable[[Mesh], Case]
    devices: int = 1


_AUGMENTED: dict[str, Any] = {"spec_augment": True, **HALF}
_RNNT = {"joint_width": 640, **_AUGMENTED}
_FULL = {"remat": "full"}
_ATTENTION = attention_config(vocab_size=5248, end_id=3, **HALF)


def _tdt(size: str, **more: Any) -> dict[str, Any]:
    config = transducer_config(size, joint_width=640, **HALF, **more)
    return config | {"decoder": config["decoder"] | {"durations": (0, 1, 2, 3, 4)}}


def _beam(config: dict[str, Any], *, beam_size: int = 4, rounds: float = BEAM_ROUNDS, **models: Any) -> OnTarget:
    return OnTarget(partial(infer, config=config | {"search": {"beam_size": beam_size}}, rounds=rounds, **models))


_LM: dict[str, Any] = {"models": ("lm",)}
_BOOST: dict[str, Any] = {"models": ("boost",)}


def _trained(config: dict[str, Any], *, rows: int = 64) -> OnTarget:
    return OnTarget(partial(train, config=config, rows=rows, sharding="replicated"))


def _sharded(config: dict[str, Any], *, rows: int, devices: int) -> OnTarget:
    return OnTarget(partial(train, config=config, rows=rows, sharding="fsdp"), devices)


def _live(size: int) -> OnTarget:
    config = ctc_config("115m", attention_context=(LEFT, 13), **LIVE, **HALF)
    config["features"]["normalize"] = "none"
    return OnTarget(partial(stream, config=config, size=size))


def _text(part: str, *, rows: int = 128) -> OnTarget:
    return OnTarget(partial(generation.on_target, part=part, batch_size=rows))


_LOCAL = ctc_config("115m", attention="rel_pos_local", attention_context=(WINDOW, WINDOW), **HALF)


def _hours(hours: int) -> OnTarget:
    return OnTarget(partial(infer, config=_LOCAL, rows=1, seconds=3600.0 * hours))


def _task(make: Callable[..., Case], config: Any, **more: Any) -> OnTarget:
    return OnTarget(partial(make, config=config, **more))


_HIFIGAN, _VOCOS = hifigan.model("v1").to_dict(), vocos.model().to_dict()
_CODEC: Any = codec.get_config()
_SEGMENTS: dict[str, Any] = {"batch": partial(task_programs.segments, samples=8192), "seconds": 8192 / 22050}
_SENTENCES: dict[str, Any] = {"batch": task_programs.spoken_texts, "seconds": 6.5}
_MIXTURES: dict[str, Any] = {"batch": task_programs.mixtures, "seconds": 4.0}

CASES = {
    "infer_ctc_115m": OnTarget(partial(infer, config=ctc_config("115m", **HALF))),
    "infer_ctc_600m": OnTarget(partial(infer, config=ctc_config("600m", **HALF))),
    "infer_ctc_1100m": OnTarget(partial(infer, config=ctc_config("1100m", **HALF))),
    "infer_rnnt_115m": OnTarget(partial(infer, config=transducer_config("115m", joint_width=640, **HALF))),
    "infer_tdt_600m": OnTarget(partial(infer, config=_tdt("600m"))),
    "beam_rnnt_115m": _beam(transducer_config("115m", joint_width=640, **HALF)),
    "beam_tdt_115m": _beam(_tdt("115m")),
    "infer_ctc_115m_lm": OnTarget(partial(infer, config=ctc_config("115m", **HALF), **_LM)),
    "beam_ctc_115m": _beam(ctc_config("115m", **HALF), beam_size=8, rounds=CTC_ROUNDS),
    "beam_ctc_115m_lm": _beam(ctc_config("115m", **HALF), beam_size=8, rounds=CTC_ROUNDS, **_LM),
    "infer_tdt_115m": OnTarget(partial(infer, config=_tdt("115m"))),
    "infer_tdt_115m_boost": OnTarget(partial(infer, config=_tdt("115m"), **_BOOST)),
    "beam_rnnt_115m_lm": _beam(transducer_config("115m", joint_width=640, **HALF), **_LM),
    "beam_tdt_115m_lm": _beam(_tdt("115m"), **_LM),
    "infer_aed_180m": OnTarget(partial(infer, config=_ATTENTION, rounds=TOKEN_ROUNDS)),
    "beam_aed_180m": OnTarget(partial(infer, config=_ATTENTION | {"search": {"beam_size": 4}}, rounds=TOKEN_ROUNDS)),
    "llm_prefill_1.7b": _text("prefill"),
    "llm_decode_1.7b": _text("decode"),
    "llm_prefill_1.7b_32": _text("prefill", rows=32),  # for a TPU v5e
    "llm_decode_1.7b_32": _text("decode", rows=32),
    "loss_ctc": OnTarget(partial(loss, of="ctc", b=128, t=400, u=80)),
    "loss_rnnt": OnTarget(partial(loss, of="rnnt", b=32, t=150, u=40)),
    "loss_rnnt_joint": OnTarget(partial(loss, of="rnnt_joint", b=64, t=250, u=80)),
    "stream_32": _live(32),
    "stream_256": _live(256),
    "one_pass_1h": _hours(1),
    "one_pass_3h": _hours(3),
    "one_pass_11h": _hours(11),
    "one_pass_11h_split": OnTarget(partial(encode_over_devices, config=_LOCAL, seconds=3600.0 * 11), devices=8),
    "train_ctc_115m": _trained(ctc_config("115m", **_AUGMENTED)),
    "train_nest_115m": _trained(nest_config("115m", **HALF)),
    "train_rnnt_115m": _trained(transducer_config("115m", **_RNNT)),
    "train_tdt_115m": _trained(_tdt("115m", spec_augment=True)),
    "train_hybrid_115m": _trained(transducer_config("115m", **_RNNT) | {"task": "hybrid"}),
    "train_aed_180m": _trained(_ATTENTION),
    "train_aed_180m_32": _trained(_ATTENTION, rows=32),  # half the rows, for a TPU v5e
    "train_ctc_600m": _sharded(ctc_config("600m", **_FULL, **_AUGMENTED), rows=32, devices=8),
    "train_rnnt_600m": _sharded(transducer_config("600m", **_FULL, **_RNNT), rows=32, devices=8),
    "train_tdt_600m": _sharded(_tdt("600m", spec_augment=True, **_FULL), rows=32, devices=8),
    "train_hybrid_600m": _sharded(transducer_config("600m", **_FULL, **_RNNT) | {"task": "hybrid"}, rows=32, devices=8),
    "fastpitch": OnTarget(task_programs.speak),
    "hifigan": _task(task_programs.vocode, _HIFIGAN),
    "vocos": _task(task_programs.vocode, _VOCOS),
    "codec": _task(task_programs.code, _CODEC.model.to_dict()),
    "train_fastpitch": _task(task_programs.train, text_to_mel.model(), **_SENTENCES),
    "train_hifigan": _task(task_programs.train, _HIFIGAN, **_SEGMENTS),
    "train_vocos": _task(task_programs.train, _VOCOS, **_SEGMENTS),
    "enhance_mask": _task(task_programs.enhance, mask_model("single")),
    "enhance_ncsnpp": _task(task_programs.enhance, spectrum_model("ncsnpp"), rows=8),
    "enhance_flow5": _task(task_programs.enhance, generative_model("flow"), rows=8),
    "train_mask": _task(task_programs.train, mask_model("single"), **_MIXTURES),
    "train_ncsnpp": _task(task_programs.train, spectrum_model("ncsnpp"), **_MIXTURES),
    "train_ctc_1100m": _sharded(ctc_config("1100m", **_FULL, **_AUGMENTED), rows=16, devices=64),
}


def cases_for(devices: int) -> list[str]:
    """Names of the cases for the most devices that are not more than these."""
    most = max(case.devices for case in CASES.values() if case.devices <= devices)
    return [name for name, case in CASES.items() if case.devices == most]


def compile_case(name: str, target_name: str, *, keep: str = "") -> dict[str, Any]:
    """Compiles a case and predicts its time; returns the figures to print.

    Args:
      name: of the case.
      target_name: see `targets.hardware.parse_target`; a case for several devices takes all of them.
      keep: a file for the text of the optimized program; "" for none.
    """
    target = find_target(target_name)
    of = CASES[name]
    # A TPU's smallest topology has several devices; a case for one of them is compiled for one.
    devices = 1 if of.devices == 1 else len(target.devices)
    mesh = make_mesh(devices=target.devices[:devices])
    case = of.make(mesh)
    program = compile_for(target, case.function, *case.arguments, trips=case.trips)
    if keep:
        Path(keep).write_text(program.text, encoding="utf-8")
    found, flops = program.estimate, step_flops(case.function, *case.arguments)
    peak = target.hardware.matrix_flops * mesh.size
    return {
        "what": name,
        "target": target_name,
        "jax": jax.__version__,
        "trace_s": round(program.traced_s, 1),
        "compile_s": round(program.compiled_s, 1),
        "arguments_gb": program.arguments / 1e9,
        "temporaries_gb": program.temporaries / 1e9,
        "tflop": flops / mesh.size / 1e12,
        "gb_moved": found.bytes / 1e9,
        "gb_sent": found.sent / 1e9,
        "communication_ms": found.communication * 1e3,
        "overlapped_ms": program.overlapped * 1e3,
        "kernels": int(found.launches),
        "copies": program.copies,
        "predicted_ms": found.seconds * 1e3,
        "floor_ms": flops / peak * 1e3,
        "mfu": flops / peak / found.seconds,
        "RTFx": case.seconds / found.seconds,
    }
