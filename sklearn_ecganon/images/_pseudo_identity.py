"""Replace the person in an image by a synthetic one of the same finding."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted

from sklearn_ecganon._salt import content_key, keyed_normals
from sklearn_ecganon.images._protected import protected_region
from sklearn_ecganon.images._quilt import quilted_people
from sklearn_ecganon.images._transformer import BaseImageTransformer
from sklearn_ecganon.images._validation import as_given
from sklearn_ecganon.networks import N_POSE, move_images
from sklearn_ecganon.training import EDGE, soften

# Patients of a class without whom nobody can be combined.
FEWEST = 2
# Length of the edge around protected regions, as a fraction of the shorter side.
EDGE_FRACTION = 1 / 16
# Fraction of the range of values that one step of a stored pixel is.
STEPS = 255
# Standard deviations of the pose at a visit: shift, zoom and turn.
POSE = (0.02, 0.03, 0.02)


class PseudoIdentityImageAnonymizer(BaseImageTransformer):
    """Replace the person in an image by a synthetic person of the same finding.

    The synthetic people are generated in `fit`, from images of real ones: each is sewn
    together from places of several warped images of different patients who have the same
    label and resemble each other. A release draws one of them, keyed by a secret salt. At full
    strength nothing of the original is left but its label and, if asked for, a protected
    region. Nothing is trained, and no GPU is needed.

    Parameters
    ----------
    strength : float, default=1.0
        0 returns the input bit for bit, 1 shows the synthetic person alone. In between, the
        deviations of both from the mean of the class are added with the weights
        ``sqrt(1 - strength**2)`` and ``strength``, so that the contrast stays the same.
    n_people : int, default=2000
        Synthetic people of all classes together. Each class has as many as its fraction of
        the images.
    n_neighbors : int, default=24
        Most similar patients from whom a synthetic person may get something. The
        patient whom they resemble gives nothing.
    n_others : int, default=5
        Patients who are combined in a synthetic person.
    sharpness : float, default=3.0
        How clearly a single patient dominates at each place. At 0 all have the same weight
        everywhere, which shows several outlines at once.
    warp : float, default=1/28
        Standard deviation of the smooth displacement of each image before it is combined,
        as a fraction of its side. At 0, places of real images are copied pixel by pixel,
        and show whose images `fit` has seen.
    protect : None, "lungs", array-like, callable, or object with ``predict``, default=None
        What `transform` must not change, as in :class:`FlowFieldPerturbation`. The region
        shows the finding, and the person: measure how much.
    image_shape : (int, int), optional
        Height and width of images that come flattened, one a row. A flat row without it is
        an image of one line.
    random_state : int, RandomState instance or None, default=None
        Seeds the synthetic people and the salt. A salt that comes from a number can be
        drawn again by anyone who guesses the number: leave None for a release.

    Attributes
    ----------
    people_ : ndarray of uint8 of shape (n_people, h, w)
        Images of synthetic people, from 0 for the lowest value seen in `fit` to 255 for the
        highest.
    person_class_ : ndarray of int of shape (n_people,)
        Class of each, an index into `classes_`.
    classes_ : ndarray
        Labels seen in `fit`; a single one if there were none.
    means_ : ndarray of float32 of shape (n_classes, h, w)
        Mean image of each class.
    low_, high_ : float
        Lowest and highest value seen in `fit`.
    salt_ : ndarray of uint8 of shape (16,)
        Secret that keys the draws.
    size_ : (int, int)
        Height and width of the images seen in `fit`.
    n_features_in_ : int
        Second dimension of the X seen in `fit`.

    See Also
    --------
    GANSynthesizer : Generates images with a network.
    verify_release : Measures what a retrained verifier still recognizes.
    sklearn_ecganon.anonymizers.PseudoIdentityAnonymizer : The same idea for ECGs.

    Notes
    -----
    A method of this package. A synthetic image is
    ``m + sum_k w_k * (x_k - m)``, where `x_k` are `n_others` images, one a patient, each
    moved by a smooth random field, out of the `n_neighbors` patients whose coarse images
    (12 x 12 pixels) resemble that of a randomly drawn patient most, and `m` is the mean of
    those. The weights are smooth random functions of the place, and ``sum_k w_k**2 = 1``
    everywhere, so that synthetic images have the variance of real ones. At last the power of
    each spatial frequency is made that of real images, because moving by fractions of a pixel
    removes fine detail.

    **What it keeps.** The label, as accurately as the images of people with this label show
    it. Anything else in the image is lost: other findings, devices, the side of an opacity.
    Give the combination of all that must survive as `labels`, for example finding and view.

    **Measured.** On NIH X-rays of 64 pixels, at strength 1, the strongest of several retrained
    verifiers falls from an AUC of 0.941 to 0.559. A classifier that learned the finding from
    releases finds it in originals of other patients with 0.813, one that learned from
    originals with 0.792. A classifier distinguishes releases from originals with 0.794 (real
    from real 0.530; ``benchmarks/images/perturbation.py xray``, one verifier of each kind,
    2026-11-27).

    **Privacy of those in `fit`.** As a whole, a synthetic image is less similar to the nearest
    of them than an image of another person is (NIH: correlation 0.813 and 0.860, Kermany
    0.833 and 0.878). The strongest of eighteen attackers who compare places of images
    distinguishes images in `fit` from others with an AUC of 0.60 (NIH) and 0.57 (Kermany);
    without `warp`, with 0.76 (NIH)
    (``benchmarks/images/pseudo_identity.py``, 64 pixels, 2026-11-27). Fit on public images,
    or on images of people who consented, wherever the release goes to others.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.images import PseudoIdentityImageAnonymizer
    >>> rng = np.random.default_rng(0)
    >>> images, findings = rng.random((40, 16, 16)), np.repeat(["healthy", "ill"], 20)
    >>> model = PseudoIdentityImageAnonymizer(n_people=50, random_state=0)
    >>> model.fit(images, labels=findings).transform(images[:3], findings[:3]).shape
    (3, 16, 16)
    """

    _parameter_constraints: dict = {
        **BaseImageTransformer._parameter_constraints,
        "n_people": [Interval(Integral, 1, None, closed="left")],
        "n_neighbors": [Interval(Integral, 2, None, closed="left")],
        "n_others": [Interval(Integral, 2, None, closed="left")],
        "sharpness": [Interval(Real, 0, 10, closed="both")],
        "warp": [Interval(Real, 0, 1, closed="both")],
        "protect": ["array-like", callable, HasMethods("predict"), str, None],
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        n_people: int = 2000,
        n_neighbors: int = 24,
        n_others: int = 5,
        sharpness: float = 3.0,
        warp: float = 1 / 28,
        protect: ArrayLike | Callable[..., ArrayLike] | Any = None,
        image_shape: tuple[int, int] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.strength = strength
        self.n_people = n_people
        self.n_neighbors = n_neighbors
        self.n_others = n_others
        self.sharpness = sharpness
        self.warp = warp
        self.protect = protect
        self.image_shape = image_shape
        self.random_state = random_state

    def fit_transform(
        self, X: ArrayLike, y: Any = None, labels: ArrayLike | None = None
    ) -> NDArray:
        """Fit and release the same images.

        Parameters
        ----------
        X : array-like of shape (n, h, w), or (n, h * w)
            Images.
        y : array-like of shape (n,), optional
            Patient of each image.
        labels : array-like of shape (n,), optional
            What must survive, in each image.

        Returns
        -------
        X_new : ndarray
            Images of the same shape and dtype. Each has a person of its own.
        """
        return self.fit(X, y, labels=labels).transform(X, labels)

    def transform(
        self, X: ArrayLike, labels: ArrayLike | None = None, subjects: ArrayLike | None = None
    ) -> NDArray:
        """Return images of synthetic people.

        Parameters
        ----------
        X : array-like
            Images as in `fit`.
        labels : array-like of shape (n,), optional
            What must survive, in each image, as in `fit`. Needed if `fit` had labels.
        subjects : array-like of shape (n,), optional
            Patient of each image. If given, all images of a patient with one label show
            the same synthetic person, each as at a visit of its own, and can be linked
            with each other. By default each image shows a person of its own.

        Returns
        -------
        X_new : ndarray
            Images of the same shape and dtype.

        Raises
        ------
        ValueError
            If labels are missing, unknown, or not as many as there are images.
        """
        check_is_fitted(self)
        images = self._check(X, reset=False)
        codes = self._codes(labels, len(images))
        subjects = None if subjects is None else np.asarray(subjects)
        if subjects is not None and subjects.shape != (len(images),):
            raise ValueError(
                f"subjects has shape {subjects.shape}; give the patient of each of the "
                f"{len(images)} images."
            )
        new = images if self.strength == 0 else self._replace(images, codes, subjects)
        return np.array(as_given(new, X), dtype=images.dtype)

    def _fit_images(
        self, images: NDArray, labels: NDArray | None, y: Any, seed: int, context: Any
    ) -> None:
        patients = np.arange(len(images))
        if y is not None:
            y = np.asarray(y)
            if y.shape != (len(images),):
                raise ValueError(
                    f"y has shape {y.shape}; give the patient of each of the "
                    f"{len(images)} images."
                )
            patients = np.unique(y, return_inverse=True)[1]
        self.classes_, codes = np.array([""]), np.zeros(len(images), dtype=np.intp)
        if labels is not None:
            self.classes_, codes = np.unique(labels, return_inverse=True)
        self.low_, self.high_ = float(images.min()), float(images.max())
        unit = ((images - self.low_) / self._range()).astype(np.float32)
        rng = np.random.default_rng(seed)
        counts = _split_evenly(self.n_people, np.bincount(codes))
        means, people = [], []
        for code, n_people in enumerate(counts):
            of_class = codes == code
            n_patients = len(np.unique(patients[of_class]))
            if n_patients < FEWEST:
                names = self.classes_.tolist()
                name = "" if labels is None else f" with label {names[code]!r}"
                raise ValueError(
                    f"n_samples={of_class.sum()} images of {n_patients} patient(s){name}; a "
                    f"synthetic person needs {FEWEST} patients or more. Merge rare labels."
                )
            means.append(unit[of_class].mean(axis=0))
            people.append(
                quilted_people(
                    unit[of_class],
                    patients[of_class],
                    n_people,
                    self.n_neighbors,
                    self.n_others,
                    self.sharpness,
                    self.warp,
                    rng,
                )
            )
        self.means_ = np.stack(means)
        self.people_ = np.rint(np.concatenate(people) * STEPS).astype(np.uint8)
        self.person_class_ = np.repeat(np.arange(len(counts)), counts)

    def _transform_images(self, images: NDArray) -> NDArray:
        return self._replace(images, self._codes(None, len(images)), None)

    def _replace(
        self, images: NDArray, codes: NDArray[np.intp], subjects: ArrayLike | None
    ) -> NDArray[np.float64]:
        """Return images of synthetic people, mixed with the originals below strength 1."""
        people = self.people_[self._persons(images, codes, subjects)] / np.float64(STEPS)
        if subjects is not None:
            pose = torch.from_numpy(self._draw(images, N_POSE).T)
            people = move_images(torch.from_numpy(people)[:, None], pose, *POSE)[:, 0].numpy()
        means = self.means_[codes].astype(np.float64)
        unit = (images.astype(np.float64) - self.low_) / self._range()
        rest = np.sqrt(1 - self.strength**2)
        mixed = means + rest * (unit - means) + self.strength * (people - means)
        new = np.clip(mixed, 0, 1) * self._range() + self.low_
        mask = protected_region(self.protect, images)
        soft = soften(mask, max(EDGE, EDGE_FRACTION * min(self.size_)))[:, 0]
        return np.where(mask[:, 0] == 1, images, soft * images + (1 - soft) * new)

    def _persons(
        self, images: NDArray, codes: NDArray[np.intp], subjects: ArrayLike | None
    ) -> NDArray[np.intp]:
        """Return the synthetic person whom salt and image, or salt and patient, determine."""
        salt = self.salt_
        if subjects is None:
            keys = [content_key(image, salt) for image in images]
        else:
            texts = [str(subject).encode() for subject in np.asarray(subjects)]
            keys = [hashlib.blake2b(text, key=salt.tobytes()).digest() for text in texts]
        uniform = ndtr([keyed_normals(key, 1)[0] for key in keys])
        first = np.searchsorted(self.person_class_, np.arange(len(self.classes_)))
        size = np.bincount(self.person_class_, minlength=len(self.classes_))
        step = np.minimum((uniform * size[codes]).astype(np.intp), size[codes] - 1)
        return first[codes] + step

    def _codes(self, labels: ArrayLike | None, n_images: int) -> NDArray[np.intp]:
        """Return the class of each image, an index into `classes_`."""
        if labels is None:
            if len(self.classes_) > 1:
                raise ValueError(
                    f"fitted with labels {self.classes_.tolist()}; give labels=, that of each "
                    "image, which its synthetic person then has, too."
                )
            return np.zeros(n_images, dtype=np.intp)
        given = np.asarray(labels)
        if given.shape != (n_images,):
            raise ValueError(
                f"labels has shape {given.shape}; give one for each of the {n_images} images."
            )
        unknown = sorted(set(given.tolist()) - set(self.classes_.tolist()))
        if unknown:
            raise ValueError(
                f"label {unknown[0]!r} was not seen in fit, but {self.classes_.tolist()}."
            )
        return np.searchsorted(self.classes_, given)

    def _range(self) -> float:
        return self.high_ - self.low_ or 1.0


def _split_evenly(total: int, sizes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return parts of a total in proportion to sizes, each of 1 or more."""
    ends = np.rint(np.cumsum(sizes) / sizes.sum() * total).astype(np.intp)
    return np.maximum(np.diff(ends, prepend=0), 1)
