"""Losses: they take arrays, padded and with lengths if they are sequences, and return one loss per row."""

from jaxspeech.losses.binarization import binarization_loss as binarization_loss
from jaxspeech.losses.classification import cross_entropy as cross_entropy
from jaxspeech.losses.consistency import consistency_loss as consistency_loss
from jaxspeech.losses.ctc import ctc_loss as ctc_loss
from jaxspeech.losses.forward_sum import forward_sum_loss as forward_sum_loss
from jaxspeech.losses.margin import angular_margin_loss as angular_margin_loss
from jaxspeech.losses.permutation import activity_losses as activity_losses
from jaxspeech.losses.sdr import sdr_loss as sdr_loss
from jaxspeech.losses.sdr import signal_to_distortion as signal_to_distortion
from jaxspeech.losses.separation import match_targets as match_targets
from jaxspeech.losses.spectral import mae_loss as mae_loss
from jaxspeech.losses.spectral import mse_loss as mse_loss
from jaxspeech.losses.spectral import stft_loss as stft_loss
from jaxspeech.losses.speech import duration_loss as duration_loss
from jaxspeech.losses.speech import mel_loss as mel_loss
from jaxspeech.losses.speech import symbol_loss as symbol_loss
from jaxspeech.losses.transducer import multiblank_rnnt_loss as multiblank_rnnt_loss
from jaxspeech.losses.transducer import rnnt_loss as rnnt_loss
from jaxspeech.losses.transducer import tdt_loss as tdt_loss
from jaxspeech.losses.transducer_joint import multiblank_rnnt_joint_loss as multiblank_rnnt_joint_loss
from jaxspeech.losses.transducer_joint import rnnt_joint_loss as rnnt_joint_loss
from jaxspeech.losses.transducer_joint import tdt_joint_loss as tdt_joint_loss
