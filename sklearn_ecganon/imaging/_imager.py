"""The imager: beats or stretches of records to images and back."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import Tags, check_array, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_ecganon._validation import (
    check_layout,
    check_records,
    forget_columns,
    is_flat,
    is_records,
    layout_of,
    validate_beats,
)
from sklearn_ecganon.imaging._arrangements import ARRANGEMENTS, Size, arrange
from sklearn_ecganon.imaging._images import BeatImages, windows_of_images
from sklearn_ecganon.imaging._standardization import STANDARDIZATIONS, Standardization
from sklearn_ecganon.records import BeatSet, ECGRecord

# Images at a time: what the processor's cache holds, whatever their number.
CHUNK = 256
READABLE = [np.float64, np.float32, np.uint8]


class BeatImager(TransformerMixin, BaseEstimator):
    """Turn beats, or stretches of records, into images that can be turned back.

    A trace is one lead of one window (beat or stretch). An image holds the traces of
    `windows_per_image` consecutive windows of a record. They are standardized, arranged,
    and the pixels that are left over are 0: :attr:`padding_` tells which.

    Images are complete: :meth:`inverse_transform` needs the fitted imager and the pixels,
    also of an image that a model has made. So where each trace is scaled to its own range,
    that range is in the image too, in two pixels after the trace.

    Parameters
    ----------
    arrangement : str, default="raster"
        ``"raster"``: row by row, trace after trace. ``"serpentine"``: the same, every other
        row from right to left, so that neighbours in time are neighbours in the image.
        ``"stack"``: one trace a row, for example consecutive beats. ``"rgb"``: a colour for
        each of up to three traces, the leads or consecutive beats, each row by row.
        ``"rgb-concatenated"``: trace after trace, the first third of it all in red, the
        second in green, the last in blue. ``"time-frequency"``: magnitude over phase of a
        short-time Fourier transform, the traces beside each other.
    standardization : {"global", "adapted", "z-score"}, default="global"
        ``"global"``: the range of everything seen in `fit` becomes -1 to 1. ``"adapted"``:
        the range of each trace does, and is carried in the image. ``"z-score"``: less the
        mean, over the standard deviation, of everything seen in `fit`.
    image_shape : (int, int), default=None
        Height and width. None takes what just holds everything: a square, where the
        arrangement has no shape of its own.
    windows_per_image : int, default=1
        Consecutive windows of a record in each image. An array does not say which rows
        follow each other and is refused if this is not 1; its middle axis, meant for leads,
        can hold consecutive beats instead.
    range_levels : int or None, default=256
        For ``standardization="adapted"``: at how many levels of the global range an end of
        a trace's range may lie. Ends are rounded outwards, and the image is scaled to where
        they then lie, so that nothing is lost. None carries the range exactly.
    dtype : {"float", "uint8"}, default="float"
        ``"float"`` gives images of the dtype of the input, ``"uint8"`` of 8 bits.
    stretch : float, default=1000.0
        Length in ms of the stretches records are cut into. The last one of a record goes on
        with 0 mV, and so does a gap; neither comes back. Beats have a length of their own.

    Attributes
    ----------
    image_shape_ : tuple of int
        ``(h, w)``, or ``(h, w, 3)`` in colour.
    padding_ : ndarray of bool of the shape of an image
        Pixels that show nothing.
    arrangement_, standardization_ : object
        What was found out in `fit`.
    n_leads_, n_times_, sampling_rate_ : int, int, float
        Layout of the windows seen in `fit`; the rate is None for arrays.
    n_features_in_ : int
        Seen in `fit` on arrays.
    feature_names_in_ : ndarray of str
        Column names, when `fit` saw a data frame.

    See Also
    --------
    BeatImages : Images of records.
    sklearn_ecganon.QRSSegmenter : Cuts records into beats.

    Notes
    -----
    Source: the data-to-image step of [1]_; arrangements and standardizations are after it.
    Deviations: everything needed on the way back is stored, so that nothing has to be
    estimated; the range is rounded outwards before use and not afterwards; several leads
    share one global range, and one mean and standard deviation, so that their proportions
    stay; the time-frequency image is ours.

    Way back: floats lose nothing but the rounding of their dtype. With 8 bits every sample
    is within half a quantum, where a quantum is 1/255 of the range the trace was scaled to:
    of all (``"global"``), its own (``"adapted"``), or twice the largest deviation from the
    mean (``"z-score"``). Where all that `fit` saw is one number, the range of all is 1 mV
    each way. What lies outside of what `fit` saw is cut off, with a warning.
    ``"time-frequency"`` refuses 8 bits: half a step of magnitude and phase at many pixels
    may add up to more than that.

    The range of a beat is an identity channel: by its two ends alone, at 256 levels as well
    as exact, people are told apart. Whoever wants to remove identity from the image must
    treat these two pixels as well. ``"global"`` does not hide the range; it is then in all
    the pixels.

    The Fourier transform is :class:`scipy.signal.ShortTimeFFT` with a Hann window of about
    ``2 * sqrt(n_times)`` samples, shorter where the image is lower, moved by a quarter of
    its length, or by up to a half where the image is narrower. Each pixel of magnitude is
    the square root of it, each pixel of phase a share of pi.

    References
    ----------
    .. [1] E. Piacentino, A. Guarner and C. Angulo, "Generating synthetic ECGs using GANs
       for anonymizing healthcare data", Electronics 10(4):389, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.imaging import BeatImager
    >>> beats = np.random.default_rng(0).normal(size=(5, 200))
    >>> imager = BeatImager("serpentine", standardization="adapted")
    >>> images = imager.fit_transform(beats)
    >>> images.shape
    (5, 15, 15)
    >>> bool(np.abs(imager.inverse_transform(images) - beats).max() < 1e-6)
    True
    """

    _parameter_constraints: dict = {
        "arrangement": [StrOptions(set(ARRANGEMENTS))],
        "standardization": [StrOptions(set(STANDARDIZATIONS))],
        "image_shape": ["array-like", None],
        "windows_per_image": [Interval(Integral, 1, None, closed="left")],
        "range_levels": [Interval(Integral, 2, None, closed="left"), None],
        "dtype": [StrOptions({"float", "uint8"})],
        "stretch": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        arrangement: str = "raster",
        *,
        standardization: str = "global",
        image_shape: Size | None = None,
        windows_per_image: int = 1,
        range_levels: int | None = 256,
        dtype: str = "float",
        stretch: float = 1000.0,
    ) -> None:
        self.arrangement = arrangement
        self.standardization = standardization
        self.image_shape = image_shape
        self.windows_per_image = windows_per_image
        self.range_levels = range_levels
        self.dtype = dtype
        self.stretch = stretch

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: BeatSet | list[ECGRecord] | ArrayLike, y: Any = None) -> Self:
        """Find the range of the signal and lay out the image.

        Parameters
        ----------
        X : BeatSet, list of ECGRecord, or array-like of shape (n_beats, [n_leads,] n_times)
            Beats or records, in mV.
        y : ignored
            Present by scikit-learn's convention.

        Returns
        -------
        self : BeatImager
            The fitted imager.

        Raises
        ------
        ValueError
            If X is not made of beats or of records that agree in rate and leads, if the
            image is too small, or if 8 bits cannot carry what is asked of them.
        """
        size = self._check_parameters()
        windows = self._windows(X, reset=True)
        self.n_leads_, self.n_times_, self.sampling_rate_ = layout_of(windows)
        self._flat = is_flat(X)
        self.standardization_ = Standardization.learn(
            self.standardization, windows.beats, self.range_levels
        )
        self.arrangement_ = arrange(
            self.arrangement, *self._traces, self.standardization_.n_ends, size
        )
        self.image_shape_ = self.arrangement_.image_shape
        self.padding_ = self.arrangement_.padding
        return self

    def transform(self, X: BeatSet | list[ECGRecord] | ArrayLike) -> BeatImages | NDArray:
        """Turn windows into images.

        Parameters
        ----------
        X : BeatSet, list of ECGRecord, or array-like of shape (n_beats, [n_leads,] n_times)
            As in `fit`.

        Returns
        -------
        images : BeatImages, or ndarray of shape (n_beats, h, w[, 3])
            An array for an array, :class:`BeatImages` for records and for a BeatSet.

        Raises
        ------
        ValueError
            As `fit`, or if X does not agree with what `fit` saw.
        """
        check_is_fitted(self)
        windows = self._windows(X, reset=False)
        fitted = (self.n_leads_, self.n_times_, self.sampling_rate_)
        check_layout(self, layout_of(windows), fitted)
        n_windows = windows.n_beats
        members = windows_of_images(n_windows, self.windows_per_image)
        images = self._paint(windows.beats, members)
        if isinstance(X, BeatSet) or is_records(X):
            return BeatImages(images, _frame(X), n_windows, self.windows_per_image)
        return images

    def inverse_transform(
        self, X: BeatImages | ArrayLike
    ) -> BeatSet | list[ECGRecord] | NDArray:
        """Turn images into what they were made from.

        Parameters
        ----------
        X : BeatImages, or array-like of shape (n_images, h, w[, 3])
            The images, changed or not.

        Returns
        -------
        X : BeatSet, list of ECGRecord, or ndarray
            For :class:`BeatImages` what they were made from; records have no subject and no
            session. For an array the windows in mV, `windows_per_image` for each image, of
            shape (n_windows, n_times) if `fit` saw rows, else (n_windows, n_leads, n_times).

        Raises
        ------
        ValueError
            If the images are not of the shape the imager makes.
        """
        check_is_fitted(self)
        if not isinstance(X, BeatImages):
            windows = self._read(X)
            windows = windows.reshape(-1, *windows.shape[2:])
            return windows[:, 0] if self._flat else windows
        if X.windows_per_image != self.windows_per_image:
            raise ValueError(
                f"X has {X.windows_per_image} window(s) an image, but BeatImager was fitted "
                f"with windows_per_image={self.windows_per_image}."
            )
        windows = np.empty((X.n_windows.sum(), self.n_leads_, self.n_times_))
        windows[X.windows] = self._read(X.images)
        if isinstance(X.frame, BeatSet):
            return replace(X.frame, beats=windows)
        parts = np.split(windows, np.cumsum(X.n_windows)[:-1])
        return [_fill(r, part) for r, part in zip(X.frame, parts, strict=True)]

    @property
    def _traces(self) -> tuple[int, int]:
        """Traces of an image, and samples of a trace."""
        return self.windows_per_image * self.n_leads_, self.n_times_

    def _check_parameters(self) -> Size | None:
        """Refuse what does not go together, and return the size of the image asked for."""
        carried = self.standardization == "adapted"
        if self.dtype == "uint8" and self.arrangement == "time-frequency":
            raise ValueError(
                "8 bits of magnitude and phase do not bring every sample back to within half a "
                "quantum; take dtype='float' with arrangement='time-frequency'."
            )
        if self.dtype == "uint8" and carried and (self.range_levels or np.inf) > 256:
            raise ValueError(
                f"8 bits carry a range at 256 levels at most, but range_levels is "
                f"{self.range_levels}; lower it, or take dtype='float'."
            )
        if self.image_shape is None:
            return None
        size = np.asarray(self.image_shape)
        if size.shape != (2,) or size.dtype.kind not in "iu" or (size < 1).any():
            raise ValueError(
                f"image_shape is {self.image_shape!r}; give (height, width), two positive "
                "integers, or None."
            )
        return int(size[0]), int(size[1])

    def _windows(self, X: Any, *, reset: bool) -> BeatSet:
        """Return the beats in X, or the stretches its records are cut into."""
        if is_records(X):
            if reset:
                forget_columns(self)
            return _cut(check_records(X), self.stretch)
        windows = validate_beats(self, X, reset=reset)
        if windows.beats.shape[2] < 2:
            raise ValueError("X has beats of 1 sample; an image needs 2 or more.")
        if self.windows_per_image > 1 and not isinstance(X, BeatSet):
            raise ValueError(
                f"windows_per_image={self.windows_per_image}, but an array does not say which "
                "of its rows follow each other; hand in records or a BeatSet, or consecutive "
                "beats on the middle axis of the array with windows_per_image=1."
            )
        return windows

    def _paint(self, windows: NDArray, members: NDArray[np.intp]) -> NDArray:
        """Return images of shape (n_images, h, w[, 3]).

        Parameters
        ----------
        windows : ndarray of shape (n_windows, n_leads, n_times)
            In mV.
        members : ndarray of int of shape (n_images, windows_per_image)
            Windows in each image.
        """
        scale = self.standardization_
        dtype = windows.dtype if self.dtype == "float" else np.float64
        images = np.empty((len(members), *self.image_shape_), dtype=dtype)
        for rows in gen_batches(len(members), CHUNK):
            traces = windows[members[rows]].reshape(-1, *self._traces).astype(np.float64)
            ends = scale.ends(traces)
            if self.dtype == "float":
                # What is carried may be rounded: scale with what will be read.
                ends = ends.astype(images.dtype)
            values = scale.forward(traces, ends)
            images[rows] = self.arrangement_.paint(values, ends)
        return images if self.dtype == "float" else scale.to_bytes(images)

    def _read(self, X: ArrayLike) -> NDArray:
        """Return windows of shape (n_images, windows_per_image, n_leads, n_times)."""
        images: NDArray = check_array(X, allow_nd=True, dtype=READABLE)
        if images.shape[1:] != self.image_shape_:
            raise ValueError(
                f"X has images of shape {images.shape[1:]}, but BeatImager was fitted for "
                f"{self.image_shape_}."
            )
        scale = self.standardization_
        dtype = np.float32 if images.dtype == np.float32 else np.float64
        traces = np.empty(
            (len(images), self.windows_per_image * self.n_leads_, self.n_times_), dtype=dtype
        )
        for rows in gen_batches(len(images), CHUNK):
            pixels = images[rows].astype(np.float64)
            if self.dtype == "uint8":
                pixels = scale.from_bytes(pixels)
            values, ends = self.arrangement_.read(pixels, scale.n_ends)
            traces[rows] = scale.backward(values, ends)
        return traces.reshape(len(images), -1, self.n_leads_, self.n_times_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        if self.dtype == "float":
            tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        else:
            tags.transformer_tags.preserves_dtype = []
        return tags


def _cut(records: list[ECGRecord], stretch: float) -> BeatSet:
    """Return stretches of `stretch` ms, 0 mV where nothing was recorded."""
    first = records[0]
    for record in records:
        if (record.sampling_rate, record.n_leads) != (first.sampling_rate, first.n_leads):
            raise ValueError(
                f"record {record.name!r}: {record.n_leads} lead(s) at "
                f"{record.sampling_rate:g} Hz, but record {first.name!r} has {first.n_leads} "
                f"at {first.sampling_rate:g} Hz; image them apart, or resample them first."
            )
    n_times = round(stretch * first.sampling_rate / 1000)
    if n_times < 2:
        raise ValueError(
            f"stretch={stretch:g} ms is {n_times} sample(s) at {first.sampling_rate:g} Hz; "
            "an image needs 2 or more."
        )
    parts = []
    for record in records:
        padded = np.zeros((-(-record.n_times // n_times) * n_times, record.n_leads))
        padded[: record.n_times] = np.nan_to_num(record.signal)
        parts.append(padded.reshape(-1, n_times, record.n_leads).transpose(0, 2, 1))
    counts = [len(part) for part in parts]
    place = np.concatenate([np.arange(count) for count in counts])
    return BeatSet(
        beats=np.concatenate(parts),
        record=np.repeat(np.arange(len(parts)), counts),
        r_peaks=place * n_times + n_times // 2,  # the middle of each stretch
        lengths=np.array([record.n_times for record in records]),
        sampling_rate=first.sampling_rate,
        lead_names=tuple(record.lead_names for record in records),
        names=tuple(record.name for record in records),
    )


def _fill(record: ECGRecord, stretches: NDArray) -> ECGRecord:
    """Return the record with the signal of its stretches, NaN where nothing was recorded."""
    whole = stretches.transpose(0, 2, 1).reshape(-1, record.n_leads)[: record.n_times]
    return replace(record, signal=np.where(np.isnan(record.signal), np.nan, whole))


def _frame(X: Any) -> BeatSet | tuple[ECGRecord, ...]:
    """Return X without its signal and without who it was."""
    if isinstance(X, BeatSet):
        return replace(X, beats=np.empty((*X.beats.shape[:2], 0)))
    blank = [np.where(np.isnan(record.signal), np.nan, 0.0) for record in X]
    return tuple(
        replace(record, signal=signal, subject=None, session=None)
        for record, signal in zip(X, blank, strict=True)
    )
