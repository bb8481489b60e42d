"""The tables of generative enhancement: NeMo's processes, samplers and losses, and our fields for them."""

from typing import Any

from jaxspeech.interop.nemo.sections.arguments import (
    Argument,
    Required,
    Section,
    among,
    integer,
    number,
    only,
    optional,
    share,
)

SUBMODULES = "nemo.collections.audio.parts.submodules"
positive, time = number(1e-12, 1e6), number(0, 1e3)
_NUM_STEPS = integer(1, 1 << 14)


def _range(least: float) -> tuple[Argument, ...]:
    return Argument("time_min", "time_min", least, time), Argument("time_max", "time_max", 1.0, time)


# Of a sampler, null for those of the process.
_OWN_RANGE = (
    Argument("time_min", "time_min", None, optional(time)),
    Argument("time_max", "time_max", None, optional(time)),
)
# The number of steps of a process has no effect: the sampler has its own.
_UNUSED = frozenset({"num_steps"})
SDE = {
    "OrnsteinUhlenbeckVarianceExplodingSDE": Section(
        "ou_ve",
        (
            Argument("stiffness", "stiffness", Required, positive),
            Argument("std_min", "std_min", Required, positive),
            Argument("std_max", "std_max", Required, positive),
            *_range(3e-2),
            only("eps", 1e-8),
        ),
        _UNUSED,
        package=f"{SUBMODULES}.diffusion",
    )
}
FLOW = {
    "OptimalTransportFlow": Section(
        "flow",
        (
            Argument("sigma_start", "sigma_start", 1.0, number(0, 1e6)),
            Argument("sigma_end", "sigma_end", 1e-4, number(0, 1e6)),
            *_range(1e-8),
        ),
        package=f"{SUBMODULES}.flow",
    )
}
BRIDGES = {
    "SBNoiseScheduleVE": Section(
        "bridge_ve",
        (
            Argument("k", "k", Required, positive),
            Argument("c", "c", Required, positive),
            *_range(0.0),
            only("eps", 1e-8),
        ),
        _UNUSED,
        package=f"{SUBMODULES}.schroedinger_bridge",
    ),
    "SBNoiseScheduleVP": Section(
        "bridge_vp",
        (
            Argument("beta_0", "beta_0", Required, number(0, 1e6)),
            Argument("beta_1", "beta_1", Required, positive),
            Argument("c", "c", 1.0, positive),
            *_range(0.0),
            only("eps", 1e-8),
        ),
        _UNUSED,
        package=f"{SUBMODULES}.schroedinger_bridge",
    ),
}
PREDICTOR_CORRECTOR = {
    "PredictorCorrectorSampler": Section(
        "predictor_corrector",
        (
            Argument("num_steps", "num_steps", 50, _NUM_STEPS),
            Argument("num_corrector_steps", "corrector_steps", 1, integer(0, 1 << 10)),
            Argument("snr", "snr", 0.5, number(0, 1e6)),
            Argument("output_type", "output", "mean", among("mean", "state")),
            only("predictor", "reverse_diffusion"),
            only("corrector", "annealed_langevin_dynamics"),
            *_OWN_RANGE,
        ),
        package=f"{SUBMODULES}.diffusion",
    )
}
# NeMo has the estimator's target here and in the model; the family checks that they agree.
EULER = {
    "ConditionalFlowMatchingEulerSampler": Section(
        "euler",
        (Argument("num_steps", "num_steps", 5, _NUM_STEPS), *_range(1e-8)),
        frozenset({"estimator_target"}),
        package=f"{SUBMODULES}.flow",
    )
}
# NeMo's sampler wants a number above 0; this one is lost beside every denominator.
NO_EPS = 1e-20


def _bridge_sampler(name: str, process: Argument) -> dict[str, Section]:
    arguments = (
        Argument("num_steps", "num_steps", 50, _NUM_STEPS),
        Argument("estimator_time", "network_time", "previous", among("previous", "current")),
        Argument("eps", "eps", 1e-8, _eps, lambda eps: eps or NO_EPS),
        process,
        *_OWN_RANGE,
    )
    return {"SBSampler": Section(name, arguments, package=f"{SUBMODULES}.schroedinger_bridge")}


def _eps(value: Any) -> float:
    eps = number(1e-30, 1)(value)
    return 0.0 if eps <= NO_EPS else eps


# By the argument `process`.
BRIDGE_SAMPLERS = {
    "sde": _bridge_sampler("bridge_sde", only("process", "sde")),
    "ode": _bridge_sampler("bridge_ode", Argument("process", None, "sde", among("ode"))),
}


def _distance(dimensions: int) -> dict[str, Section]:
    arguments = (
        only("weight", None),
        only("reduction", "mean"),
        Argument("ndim", None, 3, among(dimensions)),
    )
    package = "nemo.collections.audio.losses"
    return {
        "MSELoss": Section("mse", arguments, package=package),
        "MAELoss": Section("mae", arguments, package=package),
    }


OF_SPECTRA, OF_WAVEFORMS = _distance(4), _distance(3)
PATCHES = {
    "SSLPretrainWithMaskedPatch": Section(
        "",
        (
            Argument("patch_size", "patch_frames", 10, integer(1, 1 << 14)),
            Argument("mask_fraction", "hidden", 0.7, share),
        ),
        package="nemo.collections.audio.modules.ssl_pretrain_masking",
    )
}
