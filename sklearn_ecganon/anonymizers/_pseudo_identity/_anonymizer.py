"""Resynthesis of records under random synthetic identities."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.resources import files
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from safetensors.numpy import save_file
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet
from skorch.callbacks import GradientNormClipping

from sklearn_ecganon._salt import new_salt
from sklearn_ecganon.anonymizers._options import TRAINING_CONSTRAINTS
from sklearn_ecganon.anonymizers._pseudo_identity import _cycles as cycles
from sklearn_ecganon.anonymizers._pseudo_identity._background import (
    QUIET_MS,
    SMALLEST,
    Background,
    level_of,
    make_background,
)
from sklearn_ecganon.anonymizers._pseudo_identity._landmarks import (
    STRETCH,
    Fitting,
    Landmarks,
    can_be_found,
    category_vector,
    draw_targets,
    find_landmarks,
    fit_landmarks,
)
from sklearn_ecganon.anonymizers._pseudo_identity._leads import lead_weights, own_channels
from sklearn_ecganon.anonymizers._pseudo_identity._population import (
    Heart,
    Hearts,
    draw_deviations,
    draw_heart,
    learn_population,
)
from sklearn_ecganon.anonymizers._pseudo_identity._retiming import retime
from sklearn_ecganon.anonymizers._pseudo_identity._sources import SourcesMixin
from sklearn_ecganon.anonymizers._pseudo_identity._weights import (
    read_weights,
    warn_of_few_subjects,
)
from sklearn_ecganon.contracts import CONTRACTS, TOLERANCES, category, measure
from sklearn_ecganon.core import BaseAnonymizer, Draws
from sklearn_ecganon.metrics import detection_scores
from sklearn_ecganon.networks import BeatVAE, PartialELBO
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation import between, find_beats, stitch_record, used_leads
from sklearn_ecganon.training import (
    FIXED,
    NetStateMixin,
    Untrained,
    one_cycle,
    resolve_device,
    seeded,
    single_thread,
    train,
)

SHIPPED = Path(str(files("sklearn_ecganon") / "models" / "pseudo_identity.safetensors"))
N_DRAWN = 60_000  # training beats an epoch
# A beat is drawn for training by one over this power of how many its record and kind has.
BALANCE = 0.6
CHUNK = 4096
N_SEED = 4  # numbers that seed a generator
LARGEST_RATIO = 5.0  # of a training beat to its lead's usual size; beyond is an artefact
N_CANDIDATES = 4  # hearts that are looked at for one that fits the contract
N_ROUNDS = 2  # of writing a few beats with each, measuring them and correcting
N_TRIAL = 60  # beats that are written to see whether the contract is kept
REFINE_MS, FOUND_MS, MOST_LOST = 40.0, 50.0, 0.02  # R peaks of a trial that a detector finds
N_MEASURED = 300  # beats of a record that its own numbers are read from
N_RESIDUALS = 60  # beats of a record that noise is read from


class Sheet(NamedTuple):
    """One record to be written: what is known of its beats before a heart is drawn."""

    record: BeatSet  # with its new R peaks
    kinds: NDArray[np.intp]  # of its beats
    main: int  # the kind that stands for it
    weights: NDArray[np.float64]  # its leads by those of the model
    times: NDArray[np.float64]  # of a window, in ms
    size: NDArray[np.float64]  # its own, by lead of the model
    found: NDArray[np.float64] | None  # its own latents, where some of them stay
    rest: NDArray[np.float64] | None  # its own residual, where some of it stays

    def part(self, rows: slice) -> Sheet:
        """Return some consecutive beats of the sheet, as a record of their own."""
        return self._replace(
            record=_cropped(_beats_of(self.record, rows)),
            kinds=self.kinds[rows],
            found=None if self.found is None else self.found[rows],
            rest=None if self.rest is None else self.rest[rows],
        )


class Hand(NamedTuple):
    """What the first stretch of a record decides for the whole record."""

    heart: Heart
    fitting: Fitting | None  # how the heart's waves are moved to keep the contract
    main: int  # the kind of beat that stands for the record
    size: NDArray[np.float64]  # log size of the record's leads, by lead of the model


class PseudoIdentityAnonymizer(SourcesMixin, NetStateMixin, BaseAnonymizer):
    """Resynthesize each record under a random synthetic identity, within a contract.

    A variational autoencoder maps beats of any leads to latents. The mean latent of a
    record's beats of one class is the centroid, which describes the identity. The
    differences of single beats from it are the within-record residuals. The model stores
    the moments of centroids, residuals, lead amplitudes, noise, wander and baselines over
    many records. `transform` draws all of them for each record. At strength 1 it uses
    nothing of the signal except the information that the contract preserves: the class and
    the time of each beat, and intervals or their categories. The name, length, gaps, leads
    and sampling rate of a record do not change.

    Parameters
    ----------
    strength : float, default=1.0
        0 returns the input bit for bit. Between 0 and 1, latents, intervals, rhythm and
        amplitudes move from those of the record to those of the pseudo-identity, and the
        reconstruction error of the autoencoder fades out.
    contract : {"diagnostic", "measurement"}, default="diagnostic"
        Clinical information to preserve. ``"diagnostic"`` preserves the order of beat
        classes, the rate zone, irregularity, and the categories of QRS width, PR, QTc and
        ST; R peaks, intervals and the number of beats are those of the pseudo-identity.
        ``"measurement"`` preserves the R peaks bit for bit, and the record's median QRS
        duration, QT, PR and ST within `sklearn_ecganon.contracts.TOLERANCES`. Preserved
        information identifies people: see the floor of each contract in the user guide.
    identity : {"per_record"} or callable, default="per_record"
        Each record gets its own pseudo-identity by default. A function from a record's name
        to a key gives all records of one key the same pseudo-identity: ``lambda name:
        name.split("/")[0]`` uses one for each person if folders are persons. A key has only
        one synthetic identity, even if another would preserve the categories of a record
        better. Anyone can see that such records belong together, and identifying one of
        them identifies all.
    sampling_rate : float, default=250.0
        Sampling rate of array input in Hz. A BeatSet has its own.
    n_latent : int, default=32
        Number of dimensions of the latent.
    n_hidden : int, default=256
        Width of the hidden layers.
    n_components : int, default=48
        Number of basis waveforms for the beat of one lead.
    max_epochs : int, default=8
        Number of epochs of 60,000 beats each. Beats of rare classes and short records are
        drawn more often.
    batch_size : int, default=256
        Number of beats in each step.
    lr : float, default=0.002
        Largest learning rate of the one-cycle schedule of AdamW.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU if there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds training and the salt. A salt that comes from a number can be drawn again by
        anyone who guesses the number: leave None for a release.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The fitted autoencoder.
    channels_ : tuple of str
        Leads that the autoencoder supports.
    times_ : ndarray of shape (n_samples,)
        Times of its samples, in ms from the R peak.
    basis_ : ndarray of shape (n_components, n_samples)
        Orthonormal basis waveforms.
    population_ : dict of str to ndarray
        Moments over the training records. It contains no record.
    history_ : dict of str to ndarray of shape (n_epochs,)
        ``train_loss`` and ``dur`` (seconds).
    n_iter_ : int
        Number of epochs.
    salt_ : ndarray of uint8 of shape (16,)
        Secret that keys the draws.
    device_ : str
        The device of the net.
    n_leads_, n_times_, sampling_rate_ : int, int, float
        Layout of the beats seen in `fit`; None for a pretrained model, which accepts any
        layout.
    n_features_in_ : int
        Seen in `fit` on arrays.

    See Also
    --------
    ReidentificationScorer : Measures what an attacker still recognizes.
    sklearn_ecganon.contracts.measure : Measures the intervals of a contract.

    Notes
    -----
    **Draws.** A centroid is drawn from a Gaussian distribution, with the mean that the
    record's categories predict and the shrunk covariance of the training records. It is
    drawn again, up to 16 times, while its distance to the record's centroid is below 0.6 of
    the root mean square distance between two people. Centroids near training records are
    not rejected, because the rejected regions would reveal these records; the model card
    reports the distances of draws from training records. The distribution is continuous,
    and the card reports how often two draws are closer than 0.6.

    **A record.** Windows overlap where beats are close. Between two R peaks, the first 58 %
    of the interval show the earlier beat and the remaining 42 % the later beat, in both
    windows. The record's baseline, a wander that changes from beat to beat, and noise are
    drawn and added.

    **Contract.** A :class:`~sklearn_ecganon.delineation.Delineator` finds the waves of the
    pseudo-identity's template beat. A piecewise linear time warp moves them and keeps the R
    peak in place. A trial of up to 60 beats is then synthesized and measured like the
    contract, and the waves are moved once more by the remaining error. Up to four synthetic
    identities are drawn until one fulfills the whole contract and has R peaks that a
    detector finds; otherwise the one with the smallest error is used. Ventricular, fusion
    and unclassified beats are not warped. ST is shifted in the lead in which contracts
    measure it.

    **Without labels**, a beat counts as V if its QRS has a correlation below 0.8 with that
    of the record's median beat and if it comes after less than 0.85 of the median RR or has
    1.4 times the amplitude. A beat of the opposite polarity also counts as V. An early beat
    with a similar QRS counts as S.

    **Arrays** have no record of each beat, so each row is a record of one beat. Such a
    record has no rhythm, its beat is not moved, and its intervals are not measured.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer
    >>> bunch = make_ecg_records(n_subjects=3, duration=10.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> model = PseudoIdentityAnonymizer(max_epochs=1, random_state=0).fit(beats)
    >>> released = model.transform(beats)
    >>> len(released) == len(beats)
    True
    """

    _parameter_constraints: dict = {
        **BaseAnonymizer._parameter_constraints,
        **TRAINING_CONSTRAINTS,
        "contract": [StrOptions(set(CONTRACTS))],
        "identity": [StrOptions({"per_record"}), callable],
        "n_latent": [Interval(Integral, 1, None, closed="left")],
        "n_hidden": [Interval(Integral, 1, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        contract: str = "diagnostic",
        identity: str | Callable[[str], Any] = "per_record",
        sampling_rate: float = 250.0,
        n_latent: int = 32,
        n_hidden: int = 256,
        n_components: int = 48,
        max_epochs: int = 8,
        batch_size: int = 256,
        lr: float = 2e-3,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.strength = strength
        self.contract = contract
        self.identity = identity
        self.sampling_rate = sampling_rate
        self.n_latent = n_latent
        self.n_hidden = n_hidden
        self.n_components = n_components
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.device = device
        self.random_state = random_state

    @classmethod
    def from_pretrained(
        cls, strength: float = 1.0, *, weights: str | Path | None = None, **parameters: Any
    ) -> Self:
        """Return a fitted model with the weights that come with the package.

        It takes beats of any lead, rate and window. The salt is new each time, unless
        `random_state` is given.

        Parameters
        ----------
        strength : float, default=1.0
            As above.
        weights : str or path-like, optional
            A file that :meth:`save_weights` wrote, in place of the package's.
        **parameters
            `contract`, `identity`, `device` and `random_state`, as above.

        Returns
        -------
        model : PseudoIdentityAnonymizer
            Fitted; `models/pseudo_identity.md` in the package is its model card.

        Raises
        ------
        ValueError
            If `weights` is not a file that :meth:`save_weights` wrote, or if a parameter is
            wrong.
        """
        model = cls(strength, **parameters)
        model._validate_params()
        stored = read_weights(SHIPPED if weights is None else weights)
        arrays = {
            name.partition(".")[2]: value.astype(np.float64)
            for name, value in stored.items()
            if name.startswith("population.")
        }
        state = {
            name.partition(".")[2]: value.astype(np.float32)
            for name, value in stored.items()
            if name.startswith("net.")
        }
        model.population_ = arrays
        model.basis_ = state["basis"]
        model.times_ = stored["times"]
        model.channels_ = tuple(json.loads(bytes(stored["channels"])))
        model.n_latent = len(arrays["mean"])
        model.n_hidden = state["encoder.0.bias"].size
        model.n_leads_ = model.n_times_ = model.sampling_rate_ = None  # type: ignore[assignment]
        model.salt_ = new_salt(model.random_state)
        model.device_ = resolve_device(model.device)
        with seeded(0):
            model.net_ = model._build_net()
        model.net_.module_.load_state_dict(
            {name: torch.from_numpy(value) for name, value in state.items()}
        )
        return model

    def save_weights(self, path: str | Path) -> None:
        """Write weights and moments as safetensors, without the salt.

        Parameters
        ----------
        path : str or path-like
            File to write. Weights are rounded to 16 bits.
        """
        check_is_fitted(self)
        state = self.net_.module_.state_dict()
        arrays = {
            f"net.{name}": w.cpu().numpy().astype(np.float16) for name, w in state.items()
        }
        arrays |= {
            f"population.{name}": value.astype(np.float32)
            for name, value in self.population_.items()
        }
        arrays["times"] = self.times_
        # Names of leads may hold blanks, as "lead 1" does.
        names = json.dumps(list(self.channels_)).encode()
        arrays["channels"] = np.frombuffer(names, dtype=np.uint8)
        save_file({name: np.ascontiguousarray(a) for name, a in arrays.items()}, path)

    def _learn(self, beats: BeatSet, y: Any, seed: int, context: Any) -> None:
        warn_of_few_subjects(len(beats) if y is None else len(np.unique(np.asarray(y))))
        rate = min(beats.sampling_rate, cycles.MODEL_RATE)
        n_samples = max(2, round(beats.n_times * rate / beats.sampling_rate))
        self.times_ = cycles.window_times(n_samples, rate)
        names = {name for leads in beats.lead_names for name in leads}
        self.channels_ = tuple(sorted(names))
        self._learn_hearts(self._hearts(beats, y), seed, context)

    def _learn_hearts(self, hearts: Hearts, seed: int, context: Any = None) -> None:
        """Train the autoencoder and take the moments."""
        rng = np.random.default_rng(seed)
        self.device_ = resolve_device(self.device)
        _, group, size = np.unique(
            hearts.record * len(cycles.KINDS) + hearts.kinds,
            return_inverse=True,
            return_counts=True,
        )
        weight = hearts.weight[hearts.record] * size[group] ** -BALANCE
        whole = np.nanmax(np.abs(hearts.rows), axis=(1, 2)) <= LARGEST_RATIO
        weight = np.where(whole, weight, 0.0) if whole.any() else weight
        n_drawn = min(N_DRAWN, 2 * len(weight))
        drawn = np.sort(rng.choice(len(weight), n_drawn, p=weight / weight.sum()))
        self.basis_ = self._find_basis(hearts.rows[drawn], rng)
        with seeded(seed):
            self.net_ = self._build_net(-(-n_drawn // self.batch_size))
            rows = torch.as_tensor(hearts.rows[drawn]).to(self.device_)
            self.history_ = train(self.net_, rows, rows, estimator=self, context=context)
        self.n_iter_ = len(self.history_["train_loss"])
        if whole.any():
            hearts = hearts.of_beats(whole)
        latents = self._encode(hearts.rows)
        residuals = self._residuals(hearts, latents)
        self.population_ = learn_population(hearts, latents, residuals)

    def _build_net(self, n_steps: int = 0) -> NeuralNet:
        net = NeuralNet(
            BeatVAE,
            module__basis=self.basis_,
            module__n_channels=len(self.channels_),
            module__n_latent=self.n_latent,
            module__n_hidden=self.n_hidden,
            criterion=PartialELBO,
            optimizer=torch.optim.AdamW if n_steps else Untrained,
            optimizer__weight_decay=1e-4,
            lr=self.lr,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            device=self.device_,
            callbacks=[
                GradientNormClipping(5.0),
                one_cycle(self.lr, self.max_epochs * n_steps),
            ],
            **FIXED,
        )
        return net.initialize()

    def _find_basis(self, rows: NDArray, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the wave forms that hold most of all leads' energy."""
        present = np.isfinite(rows).any(axis=2)
        traces = np.nan_to_num(rows[present])
        traces = traces[rng.permutation(len(traces))[:20_000]].astype(np.float64)
        energy, waves = np.linalg.eigh(traces.T @ traces)
        return waves[:, np.argsort(-energy)[: self.n_components]].T.astype(np.float32)

    def _hearts(self, source: BeatSet, y: Any = None) -> Hearts:
        """Return the beats of a BeatSet as the autoencoder sees them."""
        n_records, n_channels = len(source), len(self.channels_)
        times = cycles.window_times(source.n_times, source.sampling_rate)
        before, after = cycles.around(source)
        shape = (len(source.beats), n_channels, len(self.times_))
        rows = np.full(shape, np.nan, dtype=np.float32)
        kinds = np.zeros(len(source.beats), dtype=np.intp)
        size, level, wander = np.full((3, n_records, n_channels), np.nan)
        said = np.zeros((n_records, 9))
        for i, part in enumerate(cycles.record_slices(source)):
            windows = source.beats[part]
            if not len(windows):
                continue
            labels = None if source.labels is None else source.labels[part]
            kinds[part] = cycles.find_kinds(windows, before[part], labels, times)
            pairs = own_channels(lead_weights(source.lead_names[i], self.channels_))
            usual = cycles.usual_beat(windows, kinds[part])
            levels = level_of(windows)[..., 0]
            for lead, channel in pairs:
                size[i, channel] = _size(usual[lead])
                level[i, channel] = levels[:, lead].mean()
                if len(levels) > 2:
                    wander[i, channel] = np.log(levels[:, lead].std() + SMALLEST)
            rows[part] = self._rows(windows, pairs, size[i], before[part], after[part], times)
            own = _numbers(_one_record(source, i, part))
            said[i] = category_vector(own, _mean_rr(before[part]))
        weight = np.ones(n_records)
        if y is not None:
            _, person, many = np.unique(np.asarray(y), return_inverse=True, return_counts=True)
            weight = 1.0 / many[person]
        weight[np.bincount(source.record, minlength=n_records) == 0] = 0.0
        return Hearts(rows, source.record, kinds, size, level, wander, said, weight)

    def _rows(
        self,
        windows: NDArray,
        pairs: Sequence[tuple[int, int]],
        size: NDArray,
        before: NDArray,
        after: NDArray,
        times: NDArray,
    ) -> NDArray[np.float32]:
        """Return windows of one record on the model's samples and leads, NaN elsewhere."""
        rows = np.full((len(windows), len(self.channels_), len(self.times_)), np.nan)
        for lead, channel in pairs:
            trace = windows[:, lead]
            trace = (trace - level_of(trace)) / np.exp(size[channel])
            rows[:, channel] = cycles.evaluate(trace, times, self.times_)
        hidden = ~cycles.own_part(before, after, self.times_)
        hidden |= (self.times_ < times[0]) | (self.times_ > times[-1])
        rows[np.broadcast_to(hidden[:, np.newaxis], rows.shape)] = np.nan
        return rows.astype(np.float32)

    def _encode(self, rows: NDArray) -> NDArray[np.float64]:
        """Return the latent of each row: (n_beats, n_latent)."""
        module = self.net_.module_.eval()
        found = []
        with torch.inference_mode(), single_thread():
            for part in torch.as_tensor(rows).split(CHUNK):
                found.append(module.encode(part.to(self.device_))[0].cpu().numpy())
        return np.concatenate(found).astype(np.float64)

    def _decode(self, latents: NDArray) -> NDArray[np.float64]:
        """Return coefficients: (n_beats, n_channels, n_components)."""
        module = self.net_.module_.eval()
        rows = torch.as_tensor(latents.astype(np.float32)).to(self.device_)
        with torch.inference_mode(), single_thread():
            found = [module.decode(part).cpu().numpy() for part in rows.split(CHUNK)]
        return np.concatenate(found)

    def _residuals(self, hearts: Hearts, latents: NDArray) -> list[NDArray]:
        """Return what is left of each record and lead where beats are quiet, in mV."""
        quiet = (self.times_ >= QUIET_MS[0]) & (self.times_ <= QUIET_MS[1])
        quiet = quiet if quiet.sum() > 10 else np.ones(len(self.times_), dtype=bool)
        empty = np.empty((0, 0))
        found = []
        for i, sizes in enumerate(hearts.size):
            first, last = np.searchsorted(hearts.record, [i, i + 1])
            beats = cycles.spread(np.arange(first, last), N_RESIDUALS)
            if not len(beats) or i >= 10 * CHUNK:
                found += [empty] * len(sizes)
                continue
            made = self._decode(latents[beats]) @ self.basis_
            rest = (hearts.rows[beats] - made)[..., quiet]
            for channel, size in enumerate(sizes):
                traces = rest[:, channel] * np.exp(np.nan_to_num(size))
                traces = traces[np.isfinite(traces).all(axis=1)].astype(np.float64)
                found.append(traces - traces.mean(axis=1, keepdims=True))
        return found

    def _settle(self, first: BeatSet, draws: Draws) -> list[Hand | None]:
        """Return for each record the hand that it is written in; None without beats."""
        if self.contract == "measurement" and not can_be_found(
            first.n_times, first.sampling_rate
        ):
            raise ValueError(
                f"windows of {1000 * first.n_times / first.sampling_rate:.0f} ms at "
                f"{first.sampling_rate:g} Hz do not show the intervals that "
                "contract='measurement' keeps; cut longer ones, for example by "
                "QRSSegmenter(window=800)."
            )
        if callable(self.identity) and ECGRecord.name in first.names:
            raise ValueError(
                "identity is a function of a record's name, but X has a record without one; "
                "leave identity='per_record', or give the records names."
            )
        seeds = draws.for_records(N_SEED).view(np.uint64)
        takes = self._takes(draws)
        hands: list[Hand | None] = []
        for i, part in enumerate(cycles.record_slices(first)):
            record, seed = _one_record(first, i, part), seeds[i]
            if not len(record.beats):
                hands.append(None)
                continue
            if callable(self.identity):
                seed = self._seed_of_key(self.identity(record.names[0]), draws.salt)
            rng = np.random.default_rng(seed.tolist())
            with single_thread():  # the delineator's sums, too, are the same everywhere
                hands.append(self._find_hand(record, rng, takes[i]))
        return hands

    def _release(self, beats: BeatSet, draws: Draws) -> BeatSet:
        takes = self._takes(draws)
        released = []
        for i, part in enumerate(cycles.record_slices(beats)):
            record, hand = _one_record(beats, i, part), draws.settled[i]
            if len(record.beats):
                with single_thread():
                    rng = takes[i]
                    kinds = self._kinds(record)
                    sheet, _ = self._sheet(record, kinds, hand.main, hand.size, rng)
                    windows = self._fill(sheet, hand.heart, hand.fitting, rng)
                record = sheet.record.with_beats(windows)
            released.append(record)
        return BeatSet.concatenate(released)

    def _takes(self, draws: Draws) -> list[np.random.Generator]:
        """Return for each stretch the generator of its rhythm, its beats and its noise."""
        # The first numbers of a record's first stretch have seeded its heart.
        seeds = draws.for_stretches([2 * N_SEED] * len(draws.beats)).reshape(-1, 2 * N_SEED)
        return [
            np.random.default_rng(seed.tolist())
            for seed in np.ascontiguousarray(seeds[:, N_SEED:]).view(np.uint64)
        ]

    def _seed_of_key(self, key: Any, salt: bytes) -> NDArray[np.uint64]:
        digest = hashlib.blake2b(repr(key).encode(), key=salt).digest()
        return np.frombuffer(digest[: 8 * N_SEED], dtype=np.uint64)

    def _find_hand(
        self, record: BeatSet, rng: np.random.Generator, take: np.random.Generator
    ) -> Hand:
        """Draw the heart of a record from `rng`; `take` draws the beats of this stretch."""
        times = cycles.window_times(record.n_times, record.sampling_rate)
        kinds = self._kinds(record)
        pairs = own_channels(lead_weights(record.lead_names[0], self.channels_))
        usual = cycles.usual_beat(record.beats, kinds)
        size = self.population_["size"][0].copy()
        for lead, channel in pairs:
            size[channel] = _size(usual[lead])
        endless = np.array([np.inf])
        norm = self._encode(
            self._rows(usual[np.newaxis], pairs, size, endless, endless, times)
        )[0]
        own = _numbers(record)
        main = cycles.usual_kind(kinds)
        sheet, rr = self._sheet(record, kinds, main, size, take)
        wanted = self._wanted(own, rr, rng)
        said = category_vector(own, rr[0])
        heart, fitting = self._find_heart(sheet, said, norm, wanted, rr[1], rng)
        return Hand(heart, fitting, main, size)

    def _kinds(self, record: BeatSet) -> NDArray[np.intp]:
        """Return the class of each beat of a record."""
        times = cycles.window_times(record.n_times, record.sampling_rate)
        before, _ = cycles.around(record)
        return cycles.find_kinds(record.beats, before, record.labels, times)

    def _sheet(
        self,
        record: BeatSet,
        kinds: NDArray[np.intp],
        main: int,
        size: NDArray,
        take: np.random.Generator,
    ) -> tuple[Sheet, tuple[float, float]]:
        """Return a stretch with its new R peaks, and its mean RR before and after."""
        times = cycles.window_times(record.n_times, record.sampling_rate)
        before, after = cycles.around(record)
        weights = lead_weights(record.lead_names[0], self.channels_)
        new_peaks, origin = self._retimed(record, take)
        moved = replace(
            record,
            beats=record.beats[origin],
            record=np.zeros(len(origin), dtype=np.intp),
            r_peaks=new_peaks,
            labels=None if record.labels is None else record.labels[origin],
        )
        rr = _mean_rr(before), _mean_rr(cycles.around(moved)[0])
        found, rest = None, None
        if self.strength < 1:
            pairs = own_channels(weights)
            rows = self._rows(record.beats, pairs, size, before, after, times)
            found = self._encode(rows)
            made = self._write(found, size, weights, times, None)
            rest = (1 - self.strength) * (record.beats - made)[origin]
            found = found[origin]
        return Sheet(moved, kinds[origin], main, weights, times, size, found, rest), rr

    def _fill(
        self, sheet: Sheet, heart: Heart, fitting: Fitting | None, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Write the beats of a sheet in a heart's hand: (n_beats, n_leads, n_times) in mV."""
        kinds, strength = sheet.kinds, self.strength
        latents = heart.norms[kinds] + draw_deviations(self.population_, heart, kinds, rng)
        if sheet.found is not None:
            latents = _mixed(sheet.found, latents, self.population_["mean"], strength)
        usual_size, other_size = self._sizes(sheet, heart)
        alike = (cycles.NORMAL, cycles.SUPRAVENTRICULAR, cycles.FUSION)
        usual = np.isin(kinds, alike if sheet.main == cycles.NORMAL else (sheet.main,))
        warped = usual & (kinds != cycles.FUSION)
        windows = np.empty(sheet.record.beats.shape)
        for rows, size, how in (
            (warped, usual_size, fitting),
            (usual & ~warped, usual_size, None),
            (~usual, other_size, None),
        ):
            if rows.any():
                windows[rows] = self._write(
                    latents[rows], size, sheet.weights, sheet.times, how
                )
        windows = cycles.join(windows, sheet.record.r_peaks, sheet.record.sampling_rate)
        under = self._under(heart.background, sheet.weights, sheet.record, rng)
        under *= strength
        windows += under
        if sheet.rest is not None:
            windows += sheet.rest
        return windows

    def _retimed(
        self, record: BeatSet, rng: np.random.Generator
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return new R peaks, and for each of them the old beat that it stands for."""
        r_peaks, rate = record.r_peaks, record.sampling_rate
        # A single beat, such as a row of an array, has no rhythm.
        if self.contract == "measurement" or len(r_peaks) == 1:
            return r_peaks, np.arange(len(r_peaks))
        gaps = np.empty((0, 2), np.intp) if record.gaps is None else record.gaps[:, 1:]
        peaks, origins = [], []
        for start, stop in between(gaps, int(record.lengths[0])):
            first, last = np.searchsorted(r_peaks, [start, stop])
            if first == last:
                continue
            new = retime(
                (r_peaks[first:last] - start) / rate,
                None if record.labels is None else record.labels[first:last],
                (stop - start) / rate,
                rng,
                strength=self.strength,
            )
            moved = start + np.rint(new.r_peaks * rate).astype(np.intp)
            moved, kept = np.unique(moved.clip(start, stop - 1), return_index=True)
            peaks.append(moved)
            origins.append(first + new.source[kept])
        return np.concatenate(peaks), np.concatenate(origins)

    def _wanted(
        self,
        own: dict[str, float] | None,
        rr: tuple[float, float],
        rng: np.random.Generator,
    ) -> dict[str, float] | None:
        """Return the intervals that the release is to have."""
        normal = rng.standard_normal(4)
        if own is None or self.contract == "measurement":
            return own
        drawn = draw_targets(own, rr, normal)
        return {
            name: (1 - self.strength) * own[name] + self.strength * drawn[name]
            for name in drawn
        }

    def _find_heart(
        self,
        sheet: Sheet,
        said: NDArray,
        norm: NDArray,
        wanted: dict[str, float] | None,
        rr: float,
        rng: np.random.Generator,
    ) -> tuple[Heart, Fitting | None]:
        """Draw hearts until a few beats in the hand of one keep the contract.

        These beats are written, measured as the contract is measured, and the waves moved by
        what they miss; and their R peaks must be found where they are. If no heart keeps all,
        that which misses least is taken.
        """
        trial = sheet.part(_fullest_run(sheet.kinds == sheet.main, N_TRIAL))
        best: tuple[Heart, Fitting | None, float] | None = None
        # A key has one heart, whatever record asks; and trials must not use up its draws.
        keyed = callable(self.identity)
        trial_rng = np.random.default_rng(rng.integers(2**63))
        for _ in range(1 if keyed else N_CANDIDATES):
            heart = draw_heart(self.population_, said, norm, rng)
            if wanted is None:
                return heart, None
            fitting, found = self._first_fitting(sheet, heart, norm, wanted)
            asked = dict(wanted)
            for _ in range(N_ROUNDS):
                written = trial.record.with_beats(self._fill(trial, heart, fitting, trial_rng))
                got = _numbers(written)
                missed = _misses(wanted, got, rr, self.contract) + _unfound(written)
                if fitting is not None and fitting.stretch > STRETCH:
                    missed += 0.5
                if best is None or missed < best[2]:
                    best = heart, fitting, missed
                if missed == 0 or fitting is None or found is None or got is None:
                    break
                for name in ("PR", "QRS", "QT"):
                    step = wanted[name] - got[name]
                    if np.isfinite(step):
                        asked[name] += float(np.clip(step, -30.0, 30.0))
                step = wanted["ST"] - got["ST"]
                st = fitting.st[0] + (step if np.isfinite(step) else 0.0)
                fitting = fit_landmarks(found, asked).plus_st(st)
            if best is not None and best[2] == 0:
                break
        assert best is not None
        return best[0], best[1]

    def _sizes(self, sheet: Sheet, heart: Heart) -> tuple[NDArray, NDArray]:
        """Return log sizes of the leads, for usual beats and for others.

        The size of a lead is that of its usual beat, whatever size its norm was drawn with.
        """
        sizes = (1 - self.strength) * sheet.size + self.strength * heart.size
        usual = self._decode(heart.norms[[sheet.main]])[0] @ self.basis_
        return sizes - self.strength * _size(usual), sizes

    def _first_fitting(
        self, sheet: Sheet, heart: Heart, norm: NDArray, wanted: dict[str, float]
    ) -> tuple[Fitting | None, Landmarks | None]:
        """Return what moves the waves of a heart's usual beat, and where they lie in it."""
        mean, strength = self.population_["mean"], self.strength
        latent = _mixed(norm, heart.norms[sheet.main], mean, strength)[np.newaxis]
        sizes, _ = self._sizes(sheet, heart)
        beat = self._write(latent, sizes, sheet.weights, sheet.times, None)[0]
        rate, names = sheet.record.sampling_rate, sheet.record.lead_names[0]
        found = find_landmarks(beat, rate, names)
        return (None, None) if found is None else (fit_landmarks(found, wanted), found)

    def _write(
        self,
        latents: NDArray,
        sizes: NDArray,
        weights: NDArray,
        times: NDArray,
        fitting: Fitting | None,
    ) -> NDArray[np.float64]:
        """Return windows in mV for latents: (n_beats, n_leads, n_times), their level 0."""
        coefficients = self._decode(latents)
        mixed = np.einsum("lc,nck->nlk", weights * np.exp(sizes), coefficients)
        wanted = times if fitting is None else fitting.times(times)
        curves = cycles.evaluate(self.basis_.astype(np.float64), self.times_, wanted)
        windows = mixed @ curves
        if fitting is None:
            return windows
        windows = fitting.level(windows, times)
        windows[:, _st_lead(weights, self.channels_)] += fitting.bump(times)
        return windows

    def _under(
        self,
        background: Background,
        weights: NDArray,
        record: BeatSet,
        rng: np.random.Generator,
    ) -> NDArray[np.float64]:
        """Return level, wander and noise below each window of a record."""
        rate, length = record.sampling_rate, int(record.lengths[0])
        model_rate = min(rate, cycles.MODEL_RATE)
        of_leads = Background(
            weights @ background.level,
            np.sqrt(weights**2 @ background.wander**2),
            np.sqrt(weights**2 @ background.noise**2),
        )
        signal = make_background(
            of_leads,
            self.population_["noise_colour"],
            record.r_peaks / rate,
            length / rate,
            model_rate,
            rng,
        )
        if model_rate != rate:
            position = np.arange(length) * (model_rate / rate)
            before = position.astype(np.intp)
            left = signal[:, before]
            signal = left + (position - before) * (signal[:, before + 1] - left)
        else:
            signal = signal[:, :length]
        half = record.n_times // 2
        padded = np.pad(signal, ((0, 0), (half, record.n_times - half)), mode="edge")
        windows = sliding_window_view(padded, record.n_times, axis=1).swapaxes(0, 1)
        return windows[record.r_peaks]


def _one_record(beats: BeatSet, i: int, part: slice) -> BeatSet:
    """Return record i, whose beats are `part`, without a copy of its windows."""
    gaps = None
    if beats.gaps is not None:
        gaps = beats.gaps[beats.gaps[:, 0] == i] * [0, 1, 1]
    return BeatSet(
        beats=beats.beats[part],
        record=np.zeros(part.stop - part.start, dtype=np.intp),
        r_peaks=beats.r_peaks[part],
        lengths=beats.lengths[[i]],
        sampling_rate=beats.sampling_rate,
        lead_names=(beats.lead_names[i],),
        names=(beats.names[i],),
        labels=None if beats.labels is None else beats.labels[part],
        gaps=gaps,
    )


def _beats_of(record: BeatSet, rows: slice | NDArray) -> BeatSet:
    """Return some beats of a record."""
    return replace(
        record,
        beats=record.beats[rows],
        record=record.record[rows],
        r_peaks=record.r_peaks[rows],
        labels=None if record.labels is None else record.labels[rows],
    )


def _cropped(record: BeatSet) -> BeatSet:
    """Return the same beats as a record that starts and ends with their windows."""
    half = record.n_times // 2
    start = max(0, int(record.r_peaks[0]) - half)
    stop = min(int(record.lengths[0]), int(record.r_peaks[-1]) - half + record.n_times)
    gaps = record.gaps
    if gaps is not None:
        gaps = gaps[(gaps[:, 1] < stop) & (gaps[:, 2] > start)]
        gaps = np.column_stack([gaps[:, 0], (gaps[:, 1:] - start).clip(0, stop - start)])
    return replace(
        record,
        r_peaks=record.r_peaks - start,
        lengths=np.array([stop - start]),
        gaps=gaps,
    )


def _fullest_run(wanted: NDArray[np.bool_], length: int) -> slice:
    """Return the run of so many beats with the most wanted ones."""
    if len(wanted) <= length:
        return slice(0, len(wanted))
    total = np.concatenate([[0], np.cumsum(wanted)])
    start = int(np.argmax(total[length:] - total[:-length]))
    return slice(start, start + length)


def _numbers(record: BeatSet) -> dict[str, float] | None:
    """Return PR, QRS, QT and ST of a record, read as the contract reads them."""
    # A single beat, such as a row of an array, is not measured: that would take 100 ms.
    if len(record.beats) < 2 or not can_be_found(record.n_times, record.sampling_rate):
        return None
    n_beats, length = len(record.beats), 5  # as many as share one measurement
    if n_beats > N_MEASURED:
        starts = np.linspace(0, n_beats - length, N_MEASURED // length).astype(np.intp)
        record = _beats_of(record, np.unique(starts[:, np.newaxis] + np.arange(length)))
    medians = measure(record, remember=False).medians()
    # Rounded, so that the last bit of a sum does not decide which heart is drawn.
    numbers = {name: round(float(value[0]), 4) for name, value in medians.items()}
    return numbers if np.isfinite(numbers["QRS"]) else None


def _misses(
    wanted: dict[str, float], got: dict[str, float] | None, rr: float, contract: str
) -> float:
    """Return how many of the numbers are out of tolerance, or in another category."""
    if got is None:
        return np.inf
    if contract == "measurement":
        return float(
            sum(
                np.isfinite(wanted[name]) and not abs(wanted[name] - got[name]) <= tolerance
                for name, tolerance in TOLERANCES.items()
            )
        )
    corrected = np.sqrt(rr / 1000.0)
    missed = np.isnan(wanted["PR"]) != np.isnan(got["PR"])
    pairs = [
        (name, wanted[key] / by, got[key] / by)
        for name, key, by in (
            ("pr", "PR", 1.0),
            ("wide_qrs", "QRS", 1.0),
            ("qtc", "QT", corrected),
            ("st", "ST", 1.0),
        )
    ]
    return float(
        missed
        + sum(
            bool(np.isfinite(a) and category(name, a) != category(name, b))
            for name, a, b in pairs
            if name != "pr" or np.isfinite(b)
        )
    )


def _unfound(record: BeatSet) -> float:
    """Return 0 where a detector finds the R peaks of a record, up to 1 where it does not."""
    stitched = stitch_record(record, 0)
    _, lead = used_leads(stitched, None, None)
    found = find_beats(stitched, [lead], detector="sleepecg", refine=REFINE_MS, n_times=1)
    if not found.n_found:  # too short to be searched
        return 0.0
    tolerance = FOUND_MS * record.sampling_rate / 1000
    lost = 1 - detection_scores(record.r_peaks, found.r_peaks, tolerance).f1
    return lost if lost > MOST_LOST else 0.0


def _size(beat: NDArray) -> NDArray[np.float64]:
    """Return the logarithm of the peak-to-peak size in mV along the last axis."""
    return np.log(np.maximum(np.ptp(beat, axis=-1), 10 * SMALLEST))


def _mean_rr(before: NDArray) -> float:
    """Return the mean of the RR intervals in ms, or of a second where there are none."""
    known = before[np.isfinite(before)]
    return float(known.mean()) if len(known) else 1000.0


def _mixed(own: NDArray, new: NDArray, mean: NDArray, strength: float) -> NDArray:
    """Return latents between one's own and the new, with the spread of both."""
    return (
        mean
        + np.sqrt(1 - strength) * (np.asarray(own) - mean)
        + np.sqrt(strength) * (np.asarray(new) - mean)
    )


def _st_lead(weights: NDArray, channels: Sequence[str]) -> int:
    """Return the lead that contracts read ST in: MLII or II, or the first."""
    for name in ("MLII", "II"):
        if name in channels:
            is_it = weights[:, channels.index(name)] == 1.0
            if is_it.any():
                return int(is_it.argmax())
    return 0
