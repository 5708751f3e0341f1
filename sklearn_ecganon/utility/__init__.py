"""What a release is still good for."""

from sklearn_ecganon.utility._waveform import waveform_utility

__all__ = ["waveform_utility"]
