"""Beats as images for a network, and images as beats again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from sklearn_ecganon.imaging import BeatImager, windows_of_images
from sklearn_ecganon.records import BeatSet

DEFAULT = BeatImager("stack", standardization="z-score")


@dataclass(frozen=True, eq=False)
class Pictures:
    """Converts traces to standardized images and back.

    Parameters
    ----------
    imager : BeatImager
        Fitted on the traces of training beats.
    """

    imager: BeatImager

    @classmethod
    def learn(cls, traces: NDArray, imager: BeatImager | None) -> Pictures:
        """Return the conversion for traces of shape (n_images, n_traces, n_times)."""
        imager = DEFAULT if imager is None else imager
        # `group_windows` has already put several windows into one row of traces.
        return cls(clone(imager).set_params(windows_per_image=1).fit(traces))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        height, width, *colors = self.imager.image_shape_
        return (colors[0] if colors else 1), height, width

    def paint(self, traces: NDArray) -> NDArray[np.float64]:
        """Return images (n_images, n_channels, height, width)."""
        images = np.asarray(self.imager.transform(traces))
        return np.moveaxis(images, -1, 1) if images.ndim == 4 else images[:, np.newaxis]

    def read(self, images: NDArray) -> NDArray[np.float64]:
        """Return the traces of images, undoing `paint`."""
        in_color = len(self.imager.image_shape_) == 3
        pixels = np.moveaxis(images, 1, -1) if in_color else images[:, 0]
        return np.asarray(self.imager.inverse_transform(pixels))


def group_windows(beats: BeatSet, n_windows: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the windows in each image (n_images, n_windows), and the record of each."""
    counts = np.bincount(beats.record, minlength=len(beats))
    members = windows_of_images(counts, n_windows)
    return members, np.repeat(np.arange(len(beats)), -(-counts // n_windows))


def check_learnable(beats: BeatSet, imager: BeatImager | None) -> None:
    """Refuse beats that a GAN of images cannot learn from."""
    n_records = len(np.unique(beats.record))
    if n_records < 2:
        raise ValueError(
            f"n_samples={n_records}: X has beats of one record (row) only, but some records "
            "are held out in training; give 2 or more."
        )
    if beats.beats.min() == beats.beats.max():
        raise ValueError(
            f"every value of X is {beats.beats.flat[0]:g}; there is nothing to learn from "
            "constant beats."
        )
    if imager is None:
        return
    if imager.windows_per_image > 1 and beats.n_beats.max() < 2:
        raise ValueError(
            f"imager has windows_per_image={imager.windows_per_image}, but X has one beat of "
            "each record, and each row of an array counts as a record; give a BeatSet of "
            "records with several beats."
        )
    if imager.dtype != "float":
        raise ValueError(
            f"imager has dtype={imager.dtype!r}, but the network needs floats; give "
            "BeatImager(dtype='float')."
        )


def subset(beats: BeatSet, chosen: NDArray[np.bool_]) -> BeatSet:
    """Return the chosen beats, with records numbered from 0."""
    record = np.unique(beats.record[chosen], return_inverse=True)[1]
    return training_beats(beats, beats.beats[chosen], record)


def training_beats(beats: BeatSet, windows: NDArray, record: NDArray[np.intp]) -> BeatSet:
    """Return a BeatSet of other windows and records, with the layout of `beats`."""
    n_records = int(record[-1]) + 1
    return BeatSet(
        beats=windows,
        record=record,
        r_peaks=np.arange(len(windows)),  # training needs only their order
        lengths=np.full(n_records, len(windows)),
        sampling_rate=beats.sampling_rate,
        lead_names=beats.lead_names[:1] * n_records,
        names=beats.names[:1] * n_records,
    )


def traces_of_images(values: NDArray, members: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the traces of each image: (n_images, n_windows * n_leads, n_times)."""
    grouped = values[members].astype(np.float64)
    return grouped.reshape(len(members), -1, values.shape[2])
