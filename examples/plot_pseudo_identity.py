"""
A synthetic identity for each record
====================================

Noise on single beats averages out, and a method that keeps the QRS keeps the identity.
:class:`~sklearn_ecganon.PseudoIdentityAnonymizer` avoids both: it keeps beat classes, rhythm
and categories of a record, and resynthesizes the record under a randomly drawn identity, one
for each record.
"""

# %%
# Recordings
# ----------
# Three rhythms: sinus rhythm, sinus rhythm with premature ventricular beats, and bigeminy.
import os

import matplotlib.pyplot as plt
import numpy as np

from sklearn_ecganon import (
    NonQRSVAEAnonymizer,
    PseudoIdentityAnonymizer,
    QRSSegmenter,
    ReidentificationScorer,
    make_ecg_records,
)
from sklearn_ecganon.anonymizers import KSameAnonymizer, NoiseAnonymizer
from sklearn_ecganon.datasets import fetch_mitdb, time_split
from sklearn_ecganon.evaluation import evaluate
from sklearn_ecganon.plot import ReidentificationDisplay
from sklearn_ecganon.releases import Release

if os.environ.get("SKLEARN_ECGANON_DATA"):
    names = ["100", "101", "103", "105", "106", "112", "113", "115", "116", "119", "122", "123"]
    whole = fetch_mitdb(records=names, download_if_missing=False).data
    shown = ["100 late 1", "119 late 1", "106 late 1"]
    print(f"MIT-BIH Arrhythmia Database, {len(whole)} records")
else:
    whole = make_ecg_records(n_subjects=12, n_sessions=1, duration=600.0, random_state=0).data
    shown = [f"{record.name} late 1" for record in whole[:3]]
    print(f"SYNTHETIC, {len(whole)} records; set SKLEARN_ECGANON_DATA for real ones")

records = [r for r in time_split(whole) if int(r.name.split()[-1]) <= 3]
subjects = np.array([record.subject for record in records])
sessions = np.array([record.session for record in records])
segmenter = QRSSegmenter("annotated", leads=[0])
beats = segmenter.fit_transform(records)

# %%
# Before and after
# ----------------
# The model comes with the package. ``contract="diagnostic"`` keeps what a cardiologist
# concludes, but not the person's own measurements: R peaks move too. V marks ventricular beats.
model = PseudoIdentityAnonymizer.from_pretrained(random_state=0)
released = model.transform(beats)
figure, axes = plt.subplots(6, 1, figsize=(9, 15), layout="constrained")
for pair, name in zip(axes.reshape(3, 2), shown, strict=True):
    place = list(beats.names).index(name)
    for ax, (stage, title) in zip(
        pair, ((beats, "original"), (released, "released")), strict=True
    ):
        [strip] = segmenter.inverse_transform(stage[place])
        strip.plot(duration=8.0, leads=[0], limits=(-2.5, 3.5), ax=ax)  # the same scale
        ax.set_title(f"{name}, {title}", fontsize="small", loc="left")
        shown_peaks = strip.r_peaks[strip.beat_labels == "V"] / strip.sampling_rate
        for peak in shown_peaks[shown_peaks < 8]:
            ax.text(peak, 3.3, "V", ha="center", va="top", color="#D55E00")

# %%
# Who is still recognized?
# ------------------------
# The attackers use the waveform (``"lda"``) or the rhythm, and retrain on releases that they
# made themselves. What the contract keeps identifies people too: that is the floor. It is high
# here, because the people are few and their rhythms differ.
release = Release.by(model, beats, subjects, sessions=sessions)
evaluation = evaluate(release, ["lda", "rhythm"])
print(evaluation)
ReidentificationDisplay.from_result(evaluation)

# %%
# Against the others
# ------------------
# Risk is how many people the worst retrained attacker identifies with 50 beats, utility how
# much of the diagnostic contract is kept, both on the later sessions. Low and to the right is
# good.
retrained = ReidentificationScorer(
    ["lda", "rhythm"], knowledge=["semi-informed"], evidence=(50,), n_views=2, contract=None
)
early = sessions == np.sort(sessions)[0]
fronts = {
    "pseudo-identity": [
        PseudoIdentityAnonymizer.from_pretrained(strength, random_state=0)
        for strength in (0.5, 1.0)
    ],
    "noise": [NoiseAnonymizer(s, random_state=0) for s in (0.5, 1.0)],
    "non-QRS VAE": [
        NonQRSVAEAnonymizer(s, region="all", max_epochs=5, random_state=0) for s in (0.5, 1.0)
    ],
    "k-Same, k=4": [KSameAnonymizer(1.0, k=4, random_state=0)],
}
figure, ax = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
for (name, methods), marker in zip(fronts.items(), "osD^", strict=True):
    points = []
    for method in methods:
        if not hasattr(method, "salt_"):
            method.fit(beats[early], subjects[early])
        release = retrained.release(method, beats, subjects, sessions=sessions)
        point = evaluate(release, retrained)
        points.append((point.utility, 100 * point.worst.rank1))
        print(f"{name:<16} strength {method.strength:4.2f} utility {point.utility:.2f} "
              f"rank-1 {100 * point.worst.rank1:5.1f} %")  # fmt: skip
    ax.plot(*np.transpose(points), marker=marker, label=name)
ax.axhline(100 * evaluation.chance, linestyle=":", color="#4d4d4d", label="chance")
ax.set(
    xlabel="utility: fraction of the diagnostic contract kept",
    ylabel="recognized by rhythm or waveform (%)",
    xlim=(0, 1.03),
    ylim=(0, 103),
)
ax.grid(color="0.92")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
