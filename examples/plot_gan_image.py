"""
Heartbeats that a GAN generates
===============================

A generative adversarial network (GAN) learns from images of heartbeats to generate new ones.
:class:`~sklearn_ecganon.anonymizers.GANImageAnonymizer` replaces the beats of each record by
generated beats of the same classes, at the same R peaks. All beats of a record share one
pseudo-identity.
"""

# %%
# Recordings
# ----------
# Each person has two sessions. The generator learns from the first sessions, and an attacker
# tries to identify the second ones.
import os
import tempfile
import warnings

import matplotlib.pyplot as plt
import numpy as np

from sklearn_ecganon import (
    NonQRSVAEAnonymizer,
    QRSSegmenter,
    ReidentificationScorer,
    make_ecg_records,
)
from sklearn_ecganon.anonymizers import GANImageAnonymizer, KSameAnonymizer
from sklearn_ecganon.attacks import WeakAttackWarning
from sklearn_ecganon.datasets import fetch_mitdb, time_split
from sklearn_ecganon.plot import BeatOverlayDisplay, PreviewGrid, PrivacyUtilityDisplay
from sklearn_ecganon.utility import BeatClassUtility

if os.environ.get("SKLEARN_ECGANON_DATA"):
    names = ["106", "119", "201", "116", "223", "215", "200", "210", "213", "221", "228", "233"]
    whole = fetch_mitdb(records=names, download_if_missing=False).data
    print(f"MIT-BIH Arrhythmia Database, {len(whole)} records with ventricular beats")
else:
    whole = make_ecg_records(
        n_subjects=12, n_sessions=1, duration=900.0, arrhythmia="ectopic", random_state=0
    ).data
    print(f"SYNTHETIC, {len(whole)} records; set SKLEARN_ECGANON_DATA for real ones")

records = time_split(whole, fraction=0.2, duration=60.0)
subjects = np.array([record.subject for record in records])
sessions = np.array([record.session for record in records])
segmenter = QRSSegmenter("annotated", leads=[0], sampling_rate=125.0)
beats = segmenter.fit_transform(records)
early = sessions == "1 early"
print(beats)


# %%
# Previews of the training
# ------------------------
# Every four epochs a callback writes a picture. Each row is a class, and each column has the
# same draw in every picture.
class Samples:
    """A callback that generates beats from the same draws in each epoch."""

    def setup(self, estimator, context):
        self.samples = []

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch":
            labels = np.repeat(["N", "V"], 4)
            self.samples.append(estimator.sample(8, labels, random_state=0)[:, 0])


history_of_samples = Samples()
# An image has one row here, a lead, so that the convolutions run along time. The networks
# learn from blends of ten records instead of recorded beats, and remember less of the people.
anonymizer = GANImageAnonymizer(
    n_filters=8,
    max_epochs=8,
    epoch_size=3600,
    random_state=0,
)
with tempfile.TemporaryDirectory() as folder:
    preview = PreviewGrid(folder, every=4, n_columns=6)
    anonymizer.set_callbacks(preview, history_of_samples).fit(beats[early])
    picture = plt.imread(preview.paths[-1])
    print([path.name for path in preview.paths])

figure, ax = plt.subplots(figsize=(7, 5), layout="constrained")
ax.imshow(picture)
ax.set(title="preview after eight epochs")
ax.set_axis_off()

# %%
# The same draws in several epochs. The QRS complex develops before the other waves.
shown = [0, 1, 3, 7]
ms = (np.arange(beats.n_times) - beats.n_times // 2) * 1000 / beats.sampling_rate
figure, axes = plt.subplots(
    2, len(shown), figsize=(10, 4.2), sharex=True, sharey=True, layout="constrained"
)
for column, epoch in zip(axes.T, shown, strict=True):
    for ax, rows in zip(column, np.split(history_of_samples.samples[epoch], 2), strict=True):
        ax.plot(ms, rows.T, linewidth=1)
    column[0].set_title(f"epoch {epoch + 1}")
    column[1].set_xlabel("ms from R peak")
axes[0, 0].set_ylabel("N, mV")
axes[1, 0].set_ylabel("V, mV")

# %%
# Adversarial training fails in known ways, and each has its monitor. If the discriminator is
# always right, the gradient of the generator vanishes. If the generator gives the same beat
# for every draw, diversity is lost. The weights with the smallest distance from held-out
# records are selected.
history = anonymizer.history_
monitors = {
    "discriminator_accuracy": "discriminator is right",
    "generator_gradient": "gradient of the generator",
    "diversity": "diversity, real beats: 1",
    "distance": "distance from the hold-out",
}
figure, axes = plt.subplots(1, 4, figsize=(11, 2.6), layout="constrained")
for ax, (name, title) in zip(axes, monitors.items(), strict=True):
    ax.plot(np.arange(1, anonymizer.n_iter_ + 1), history[name], color="#0072B2")
    ax.set(title=title, xlabel="epoch", ylim=(0, None))
axes[0].set_ylim(0.5, 1)

# %%
# A record and its release
# ------------------------
# The original is gray. All beats of the release share one pseudo-identity, and no two are
# equal.
released = anonymizer.transform(beats)
late = int(np.flatnonzero(~early)[0])
BeatOverlayDisplay.from_beats(beats, released, record=late)

# %%
[stitched] = segmenter.inverse_transform(released[late])
BeatOverlayDisplay.from_records(records[late], stitched, start=10, duration=5)

# %%
# Privacy and utility
# -------------------
# The attacker anonymizes their recordings with the same software and retrains. Utility is
# measured by a classifier of beats: it learns from the release of half of the people, and is
# tested on originals of the other half.
attack = ReidentificationScorer(
    "lda", knowledge=["semi-informed"], evidence=[20], n_views=2, contract=None
)
people = np.unique(subjects)
half = {"train": people[::2].tolist(), "test": people[1::2].tolist()}
learn = BeatClassUtility("forest", classes=["N", "V"], crossings=["tstr"])


def measure(method):
    """Return risk and utility of a fitted method."""
    result = attack.evaluate(method, beats, subjects, sessions=sessions)
    risk = max(row.rank1 for row in result.rows if row.knowledge == "semi-informed")
    figures = learn.evaluate(beats, method.transform(beats), subjects, **half)
    return risk, figures["tstr_macro_f1"]


points = {}
with warnings.catch_warnings():
    warnings.simplefilter("ignore", WeakAttackWarning)
    for strength in (0.0, 0.5, 0.9, 1.0):
        points[f"GAN {strength:g}"] = measure(anonymizer.set_params(strength=strength))
    others = {
        "k-same": KSameAnonymizer(random_state=0),
        "non-QRS VAE": NonQRSVAEAnonymizer(sampling_rate=125.0, max_epochs=3, random_state=0),
    }
    for name, method in others.items():
        points[name] = measure(method.fit(beats[early], subjects[early]))
for name, (risk, utility) in points.items():
    print(f"{name:12}  identified {risk:.0%}, macro-F1 {utility:.2f}")

# %%
# Methods at the bottom right are better. Strength 0 is the original. From a strength of 0.25
# on, a beat depends on its latent alone; at 0.5 half of the variance of the latent is drawn.
# Strength 1 keeps only classes and rhythm. No generator of beats changes what these reveal.
# sphinx_gallery_thumbnail_number = 2
display = PrivacyUtilityDisplay(
    [utility for _, utility in points.values()],
    [1 - risk for risk, _ in points.values()],
    labels=list(points),
)
display.plot()
