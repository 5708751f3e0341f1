"""
Train a diagnosis model on a release
====================================

A hospital shares a release of its recordings. Somebody else trains a model of diagnoses on it
and uses the model on real patients. How much worse is this model than one that was trained on
the originals? And can sex still be read from the release?

The recordings are 300 of PTB-XL, with the publisher's diagnostic superclasses, if the data
folder holds them. The whole database works in the same way: ``fetch_ptbxl(folds=[...])``
downloads it. This example takes about four minutes on two busy cores.
"""

# %%
# Recordings and statements
# -------------------------
# Each record of PTB-XL carries the statements of cardiologists. The anonymizer reads them, and
# draws a synthetic identity to which they apply. Without PTB-XL, the example uses synthetic
# recordings, and asks for ventricular beats instead of diagnoses.
import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ecganon import PseudoIdentityAnonymizer, QRSSegmenter, make_ecg_records
from sklearn_ecganon.attacks import attribute_inference
from sklearn_ecganon.datasets import get_data_home, load_ptbxl
from sklearn_ecganon.utility import label_utility

folder = get_data_home() / "ptbxl-300"
if folder.is_dir():
    bunch = load_ptbxl(folder)
    records, subjects = bunch.data, bunch.subject
    labels, label_names = bunch.labels, bunch.label_names
    print(f"PTB-XL, {len(records)} recordings: {records[0].statements} and so on")
else:
    bunch = make_ecg_records(60, n_sessions=1, n_leads=12, arrhythmia="ectopic", random_state=0)
    records, subjects = bunch.data, bunch.subject
    labels = np.array([["V" in record.beat_labels] for record in records])
    label_names = ("ventricular beats",)
    print(f"SYNTHETIC, {len(records)} recordings; put ptbxl-300 into the data folder")

# %%
# The release
# -----------
# The weights are pretrained. ``fit`` only draws the secret of this release.
segmenter = QRSSegmenter(on_error="mask")
start = time.perf_counter()
beats = segmenter.fit_transform(records)
released = PseudoIdentityAnonymizer(random_state=0).fit_transform(beats)
seconds = time.perf_counter() - start
print(f"{1000 * seconds / len(records):.0f} ms for each recording, on one core")

# %%
# Before and after
# ----------------
# Lead II of the first recording, on ECG paper.
figure, axes = plt.subplots(2, 1, figsize=(10, 4.4), layout="constrained")
for ax, stage, title in zip(axes, (beats, released), ("original", "released"), strict=True):
    [record] = segmenter.inverse_transform(stage[[0]])
    duration = min(10.0, record.duration)
    record.plot(leads=["II"], duration=duration, limits=(-0.7, 1.3), ax=ax)
    ax.set_title(title, loc="left")

# %%
# Train on the release, test on real recordings
# ---------------------------------------------
# The classifier is a logistic regression on a fixed embedding of the 12 leads. Three folds over
# people decide who is trained on and who is tested on. Figures are areas under the ROC curve;
# 0.5 is chance.
classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
figures = label_utility(
    beats, released, labels, subjects, label_names=label_names, classifier=classifier
)
print("label                real on real   release on real")
for name in label_names:
    real, release = figures[f"trtr_{name}"], figures[f"tstr_{name}"]
    print(f"{name:<20} {real:12.2f} {release:17.2f}")
print(f"{'mean':<20} {figures['trtr']:12.2f} {figures['tstr']:17.2f}")

# %%
figure, ax = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
rows = np.arange(len(label_names))
for crossing, title, color in (
    ("trtr", "trained on originals", "#8c8c8c"),
    ("tstr", "trained on the release", "#0072B2"),
):
    values = [figures[f"{crossing}_{name}"] for name in label_names]
    ax.plot(values, rows, "o", color=color, label=title)
ax.axvline(0.5, linestyle=":", color="#4d4d4d", label="chance")
ax.set(xlabel="area under the ROC curve, tested on originals", xlim=(0.45, 1.0))
ax.set_yticks(rows, label_names)
ax.set_ylim(len(rows) - 0.5, -0.5)
ax.grid(color="0.92", axis="x")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))

# %%
# Sex, read from both
# -------------------
# The attacker learns to read the sex from recordings, and then reads it from originals and from
# releases. An ``informed`` attacker has learned it from releases of other people.
if "sex" in bunch:
    print(attribute_inference(beats, released, bunch.sex, subjects, random_state=0))
