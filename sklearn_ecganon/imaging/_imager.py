"""Conversion of beats, or of segments of records, to images and back."""

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
from sklearn_ecganon.imaging._segments import cut_segments, frame_of, with_segments
from sklearn_ecganon.imaging._standardization import STANDARDIZATIONS, Standardization
from sklearn_ecganon.records import BeatSet, ECGRecord

# Images at a time, so that they fit into the cache of a processor.
CHUNK = 256
READABLE = [np.float64, np.float32, np.uint8]


class BeatImager(TransformerMixin, BaseEstimator):
    """Convert beats, or segments of records, to images that can be converted back.

    A trace is one lead of one window (a beat or a segment). An image holds the traces of
    `windows_per_image` consecutive windows of a record. The traces are standardized and
    arranged as pixels. Unused pixels are 0, and :attr:`padding_` marks them.

    :meth:`inverse_transform` needs only the fitted imager and the pixels, so that it also
    converts images that a model has generated. Where each trace is scaled to its own range,
    two pixels after the trace hold that range.

    Parameters
    ----------
    arrangement : str, default="raster"
        ``"raster"``: row by row, trace after trace. ``"serpentine"``: the same, but every
        second row runs from right to left, so that neighbors in time are neighbors in the
        image. ``"stack"``: one trace in each row, for example consecutive beats. ``"rgb"``:
        one color for each of up to three traces (leads or consecutive beats), each row by
        row. ``"rgb-concatenated"``: trace after trace, the first third of the values in
        red, the second in green, the last in blue. ``"time-frequency"``: magnitude above
        phase of a short-time Fourier transform, the traces side by side.
    standardization : {"global", "adapted", "z-score"}, default="global"
        ``"global"``: the range of all values seen in `fit` becomes -1 to 1. ``"adapted"``:
        the range of each trace becomes -1 to 1, and the image holds that range.
        ``"z-score"``: subtracts the mean of all values seen in `fit` and divides by their
        standard deviation.
    image_shape : (int, int), default=None
        Height and width. None takes the smallest size that holds everything. It is a square
        unless the arrangement determines the shape.
    windows_per_image : int, default=1
        Consecutive windows of a record in each image. The order of the rows of an array is
        not known, so an array is refused if this is not 1. Its middle axis, meant for leads,
        can hold consecutive beats instead.
    range_levels : int or None, default=256
        For ``standardization="adapted"``: number of levels, within the global range, to
        which the ends of a trace's range are rounded. They are rounded outward, and the
        trace is scaled to the rounded range, so that nothing is lost. None keeps the exact
        range.
    dtype : {"float", "uint8"}, default="float"
        ``"float"`` gives images of the dtype of the input, ``"uint8"`` of 8 bits.
    segment : float, default=1000.0
        Length in ms of the segments of records. The last segment of a record is filled
        with 0 mV, and so are gaps; :meth:`inverse_transform` removes the filling. Beats keep
        their own length.

    Attributes
    ----------
    image_shape_ : tuple of int
        ``(h, w)``, or ``(h, w, 3)`` in color.
    padding_ : ndarray of bool of the shape of an image
        True for unused pixels.
    arrangement_, standardization_ : object
        Fitted arrangement and standardization.
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
    Source: the data-to-image step of [1]_, with its arrangements and standardizations.
    Deviations: all that the inverse needs is stored, so that nothing is estimated; the
    range is rounded outward before it is used, not afterward; several leads share one
    global range, and one mean and standard deviation, so that their proportions stay; the
    time-frequency image is an addition.

    Inverse: floats lose nothing but the rounding of their dtype. With 8 bits the error of a
    sample is at most half a quantum. A quantum is 1/255 of the range of all values
    (``"global"``), of the range of the trace (``"adapted"``), or of twice the largest
    deviation from the mean (``"z-score"``). If all values seen in `fit` are equal, the range
    is 1 mV in both directions. Values outside the range seen in `fit` are clipped, with a
    warning. ``"time-frequency"`` refuses 8 bits, because the rounding errors of magnitude
    and phase at many pixels may add up to more than half a quantum.

    The range of a beat identifies: its two ends alone distinguish people, rounded to 256
    levels or exact. A method that removes identity from such images must change these two
    pixels as well. ``"global"`` does not hide the range; all pixels then depend on it.

    The Fourier transform is :class:`scipy.signal.ShortTimeFFT` with a Hann window of about
    ``2 * sqrt(n_times)`` samples, or a shorter one for a lower image. Its hop is a quarter of
    the window, or up to a half for a narrower image. Pixels hold the square root of the
    magnitude, and the phase divided by pi.

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
        "segment": [Interval(Real, 0, None, closed="neither")],
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
        segment: float = 1000.0,
    ) -> None:
        self.arrangement = arrangement
        self.standardization = standardization
        self.image_shape = image_shape
        self.windows_per_image = windows_per_image
        self.range_levels = range_levels
        self.dtype = dtype
        self.segment = segment

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: BeatSet | list[ECGRecord] | ArrayLike, y: Any = None) -> Self:
        """Learn the range of the signal and the layout of the image.

        Parameters
        ----------
        X : BeatSet, list of ECGRecord, or array-like of shape (n_beats, [n_leads,] n_times)
            Beats or records, in mV.
        y : ignored
            For compatibility with scikit-learn.

        Returns
        -------
        self : BeatImager
            The fitted imager.

        Raises
        ------
        ValueError
            If X does not hold beats, or records of one sampling rate and number of leads;
            if the image is too small; or if 8 bits are not enough for the parameters.
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
        """Convert windows to images.

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
            As in `fit`, or if X has another layout than the data seen in `fit`.
        """
        check_is_fitted(self)
        windows = self._windows(X, reset=False)
        fitted = (self.n_leads_, self.n_times_, self.sampling_rate_)
        check_layout(self, layout_of(windows), fitted)
        n_windows = windows.n_beats
        members = windows_of_images(n_windows, self.windows_per_image)
        images = self._paint(windows.beats, members)
        if isinstance(X, BeatSet) or is_records(X):
            return BeatImages(images, frame_of(X), n_windows, self.windows_per_image)
        return images

    def inverse_transform(
        self, X: BeatImages | ArrayLike
    ) -> BeatSet | list[ECGRecord] | NDArray:
        """Convert images to beats or records.

        Parameters
        ----------
        X : BeatImages, or array-like of shape (n_images, h, w[, 3])
            The images, changed or not.

        Returns
        -------
        X : BeatSet, list of ECGRecord, or ndarray
            For :class:`BeatImages` the type of data that the images came from; records have
            no subject and no session. For an array the windows in mV, `windows_per_image`
            for each image, of shape (n_windows, n_times) if `fit` saw rows, else
            (n_windows, n_leads, n_times).

        Raises
        ------
        ValueError
            If the images do not have the shape ``image_shape_``.
        """
        check_is_fitted(self)
        if not isinstance(X, BeatImages):
            windows = self._read(X)
            windows = windows.reshape(-1, *windows.shape[2:])
            return windows[:, 0] if self._flat else windows
        if X.windows_per_image != self.windows_per_image:
            raise ValueError(
                f"X has {X.windows_per_image} window(s) per image, but BeatImager was fitted "
                f"with windows_per_image={self.windows_per_image}."
            )
        windows = np.empty((X.n_windows.sum(), self.n_leads_, self.n_times_))
        windows[X.windows] = self._read(X.images)
        if isinstance(X.frame, BeatSet):
            return replace(X.frame, beats=windows)
        segments = np.split(windows, np.cumsum(X.n_windows)[:-1])
        return [with_segments(*pair) for pair in zip(X.frame, segments, strict=True)]

    @property
    def _traces(self) -> tuple[int, int]:
        """Number of traces in an image, and number of samples in a trace."""
        return self.windows_per_image * self.n_leads_, self.n_times_

    def _check_parameters(self) -> Size | None:
        """Refuse parameters that contradict each other; return the size of the image."""
        stores_range = self.standardization == "adapted"
        if self.dtype == "uint8" and self.arrangement == "time-frequency":
            raise ValueError(
                "with 8 bits of magnitude and phase a sample can have an error above half a "
                "quantum; give dtype='float' with arrangement='time-frequency'."
            )
        if self.dtype == "uint8" and stores_range and (self.range_levels or np.inf) > 256:
            raise ValueError(
                f"8 bits hold a range of at most 256 levels, but range_levels is "
                f"{self.range_levels}; give range_levels=256 or less, or dtype='float'."
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
        """Return the beats in X, or the segments of its records."""
        if is_records(X):
            if reset:
                forget_columns(self)
            return cut_segments(check_records(X), self.segment)
        windows = validate_beats(self, X, reset=reset)
        if windows.beats.shape[2] < 2:
            raise ValueError("X has beats of 1 sample; an image needs 2 or more.")
        if self.windows_per_image > 1 and not isinstance(X, BeatSet):
            raise ValueError(
                f"windows_per_image={self.windows_per_image}, but the order of the rows of an "
                "array is not known; give records or a BeatSet, or put consecutive beats on "
                "the middle axis of the array with windows_per_image=1."
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
                # The ends may be rounded here, and the inverse will read the rounded ones.
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
