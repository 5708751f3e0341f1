"""The images of several records, with all that the conversion back needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.records import BeatSet, ECGRecord


@dataclass(frozen=True, eq=False)
class BeatImages:
    """The images of several records.

    Like a :class:`~sklearn_ecganon.BeatSet` it is a sequence of RECORDS: ``len``, indexing,
    splitting and `y` count records, while the images are in one flat array. It holds no
    sample of the signal except the images, so that changed images give changed records.

    Parameters
    ----------
    images : ndarray of shape (n_images, h, w) or (n_images, h, w, 3)
        Images of all records, those of one record next to each other and in order.
    frame : BeatSet or tuple of ECGRecord
        The source of the images without its signal: a BeatSet with windows of length 0, or
        records whose signal is 0 mV, and NaN in gaps.
    n_windows : ndarray of int of shape (n_records,)
        Windows (beats or segments) of each record.
    windows_per_image : int
        Consecutive windows of one record in an image. The last window of a record is
        repeated to fill its last image.

    See Also
    --------
    BeatImager : Converts beats or records to images and back.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.imaging import BeatImager
    >>> bunch = make_ecg_records(n_subjects=2, duration=10.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> images = BeatImager(windows_per_image=3).fit_transform(beats)
    >>> len(images) == len(beats)
    True
    >>> images[0].n_images == -(-beats.n_beats[0] // 3)
    array([ True])
    """

    images: NDArray
    frame: BeatSet | tuple[ECGRecord, ...]
    n_windows: NDArray[np.intp]
    windows_per_image: int = 1

    def __post_init__(self) -> None:
        if len(self.frame) != len(self.n_windows):
            raise ValueError(
                f"n_windows has {len(self.n_windows)} entries for {len(self.frame)} records."
            )
        if self.images.ndim not in (3, 4) or len(self.images) != self.n_images.sum():
            raise ValueError(
                f"images has shape {self.images.shape}; give {self.n_images.sum()} images, "
                f"{self.windows_per_image} window(s) in each, of shape (h, w) or (h, w, 3)."
            )

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def shape(self) -> tuple[int]:
        """(n_records,), because scikit-learn counts records as samples."""
        return (len(self),)

    @property
    def n_images(self) -> NDArray[np.intp]:
        """Number of images of each record."""
        return -(-self.n_windows // self.windows_per_image)

    @property
    def record(self) -> NDArray[np.intp]:
        """Index of the record of each image: shape (n_images,)."""
        return np.repeat(np.arange(len(self)), self.n_images)

    @property
    def windows(self) -> NDArray[np.intp]:
        """Windows in each image: shape (n_images, windows_per_image).

        Windows are numbered through all records. With ``labels = images.frame.labels`` the
        clinical classes of the beats in each image are ``labels[images.windows]``.
        """
        return windows_of_images(self.n_windows, self.windows_per_image)

    def with_images(self, images: ArrayLike) -> BeatImages:
        """Return the same records with other images.

        Parameters
        ----------
        images : array-like of the shape of the present ones
            The new images.

        Returns
        -------
        images : BeatImages
            A new set; this one is not changed.
        """
        new = np.asarray(images)
        if new.shape != self.images.shape:
            raise ValueError(f"images has shape {new.shape}; give {self.images.shape}.")
        return replace(self, images=new)

    def __getitem__(self, index: Any) -> BeatImages:
        chosen = np.atleast_1d(np.arange(len(self))[index])
        frame, stops = self.frame, np.cumsum(self.n_images)
        rows = [np.arange(stops[i] - self.n_images[i], stops[i]) for i in chosen]
        return BeatImages(
            images=self.images[np.concatenate([np.empty(0, np.intp), *rows])],
            frame=frame[chosen]
            if isinstance(frame, BeatSet)
            else tuple(frame[i] for i in chosen),
            n_windows=self.n_windows[chosen],
            windows_per_image=self.windows_per_image,
        )

    def __iter__(self) -> Iterator[BeatImages]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.images.shape[1:]))
        return f"BeatImages({len(self)} records, {len(self.images)} images of {shape})"


def windows_of_images(n_windows: NDArray[np.intp], windows_per_image: int) -> NDArray[np.intp]:
    """Return the windows in each image; the last of a record is repeated to fill its image."""
    n_images = -(-n_windows // windows_per_image)
    number = np.arange(n_images.sum()) - np.repeat(np.cumsum(n_images) - n_images, n_images)
    within = number[:, np.newaxis] * windows_per_image + np.arange(windows_per_image)
    last = np.repeat(n_windows, n_images)[:, np.newaxis] - 1
    first = np.repeat(np.cumsum(n_windows) - n_windows, n_images)[:, np.newaxis]
    return first + np.minimum(within, last)
