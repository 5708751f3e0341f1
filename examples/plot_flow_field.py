"""
Learned deformations of images and of time
==========================================

:class:`~sklearn_ecganon.images.FlowFieldPerturbation` displaces every pixel of an image, and
:class:`~sklearn_ecganon.anonymizers.FlowFieldAnonymizer` every sample of a heartbeat. A U-Net
predicts the displacement. It is trained against a net that decides whether two images are of
one person, and together with a classifier of the finding. Both continue to learn.
"""

# %%
# Images
# ------
# Chest X-rays if available, reduced to 64 x 64 pixels to save time. Otherwise synthetic
# images: two lungs and a heart, with other proportions in each person.
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit

from sklearn_ecganon import QRSSegmenter, ReidentificationScorer, make_ecg_records
from sklearn_ecganon.anonymizers import FlowFieldAnonymizer
from sklearn_ecganon.images import FlowFieldPerturbation, load_nih_chest_xrays


def synthetic_chests(n_people=60, n_images=4, side=64):
    """Return images, person and finding (a shadow in one lung) of each."""
    rng = np.random.default_rng(0)
    down, along = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]

    def blob(y, x, height, width):
        inside = 1 - ((down - y) / height) ** 2 - ((along - x) / width) ** 2
        return expit(20 * inside)

    images, people, findings = [], [], []
    for person in range(n_people):
        body = rng.normal(1, 0.12, 8)
        for _ in range(n_images):
            y, x = rng.normal(0, 0.03, 2)
            left, right = (
                blob(y - 0.1, x + place, 0.65 * body[0], 0.28 * body[1])
                for place in (-0.45 * body[2], 0.45 * body[2])
            )
            image = 0.8 - 0.6 * (left + right)
            image += 0.5 * blob(y + 0.3 * body[3], x + 0.1 * body[4], 0.3, 0.3 * body[5])
            ill = rng.random() < 0.5
            image += 0.3 * ill * left * blob(y + 0.1, x - 0.45, 0.25, 0.25)
            images.append(image + 0.02 * rng.normal(size=image.shape))
            people.append(person)
            findings.append("shadow" if ill else "no finding")
    return np.clip(images, 0, 1), np.array(people), np.array(findings)


home = os.environ.get("SKLEARN_ECGANON_DATA")
if home and (Path(home) / "nih-chestxray-128").is_dir():
    bunch = load_nih_chest_xrays(home)
    people, count = np.unique(bunch.subject, return_counts=True)
    several = np.isin(bunch.subject, people[count > 1])
    images = bunch.images[several].reshape(-1, 64, 2, 64, 2).mean(axis=(2, 4))
    subjects = bunch.subject[several]
    findings = np.array(bunch.target_names)[bunch.target[several]]
    print(f"NIH ChestX-ray14: {len(images)} images of {len(np.unique(subjects))} patients")
else:
    images, subjects, findings = synthetic_chests()
    print(f"SYNTHETIC: {len(images)} images of {len(np.unique(subjects))} people")

# %%
# Training
# --------
# `mu` bounds the displacement, in half sides of an image. The published value is 0.01, less
# than a pixel here. Ten times as much makes the deformation visible. `strength` scales it
# after training, so that 0.1 is the published degree. In the first epochs the U-Net learns to
# change nothing.
flow = FlowFieldPerturbation(mu=0.1, n_filters=4, max_epochs=8, lr=1e-3, random_state=0)
flow.fit(images, subjects, labels=findings)
for name in ("verification_loss", "verifier_loss", "class_accuracy"):
    print(f"{name:18}", flow.history_[name].round(2))

# %%
# The deformation
# ---------------
# `field` returns the displacement of each pixel: where in the original the release takes it
# from. The curves below show where straight lines of the release lie in the original. They
# never cross, because the smoothing is wide enough for every output of the net. The
# displacement is smoothed, not the grid, so that the border does not move by itself.
shown = [0, len(images) // 2]
figure, axes = plt.subplots(len(shown), 4, figsize=(10, 5.2), layout="constrained")
rows, columns = np.mgrid[0:64, 0:64]
for line, index in zip(axes, shown, strict=True):
    original = images[index]
    for ax, strength in zip(line[1:3], (0.1, 1.0), strict=True):
        down, along = flow.set_params(strength=strength).field(images[[index]])[0]
        ax.imshow(original, cmap="gray", vmin=0, vmax=1)
        for step in range(0, 64, 7):
            ax.plot((columns + along)[step], (rows + down)[step], color="#56B4E9", linewidth=1)
            ax.plot(
                (columns + along)[:, step], (rows + down)[:, step], color="#56B4E9", linewidth=1
            )
        farthest = np.hypot(down, along).max()
        ax.set_title(f"mu {0.1 * strength:g}: up to {farthest:.1f} pixels")
        # Area of a deformed pixel; below 0 the grid would fold.
        slopes = np.array([np.gradient(axis) for axis in (down, along)])
        area = (1 + slopes[0, 0]) * (1 + slopes[1, 1]) - slopes[0, 1] * slopes[1, 0]
        print(f"image {index}, mu {0.1 * strength:g}: smallest area {area.min():.2f}")
    line[0].imshow(original, cmap="gray", vmin=0, vmax=1)
    line[3].imshow(flow.transform(images[[index]])[0], cmap="gray", vmin=0, vmax=1)
axes[0, 0].set_title("original")
axes[0, 3].set_title("released, mu 0.1")
for ax in axes.flat:
    ax.set(xlim=(-0.5, 63.5), ylim=(63.5, -0.5))
    ax.set_axis_off()

# %%
# Heartbeats
# ----------
# In one dimension the field is a warp of time. It is the same for all leads, and the R peak
# stays in place. All beats of a record share one warp, which depends on the record's mean
# beat and on the secret salt, so that averaging fifty beats does not remove it.
bunch = make_ecg_records(n_subjects=12, n_sessions=2, duration=30.0, random_state=0)
beats = QRSSegmenter().fit_transform(bunch.data)
first = bunch.session == np.unique(bunch.session)[0]
print(f"SYNTHETIC: {beats}")
warp = FlowFieldAnonymizer(n_filters=4, random_state=0)
warp.fit(beats[first], bunch.subject[first])
released = warp.transform(beats)

ms = (np.arange(beats.n_times) - beats.n_times // 2) * 1000 / beats.sampling_rate
field = warp.field(beats)[:, 0] * 1000 / beats.sampling_rate
figure, axes = plt.subplots(
    2,
    3,
    figsize=(10, 4.8),
    sharex=True,
    sharey="row",
    height_ratios=[3, 1],
    layout="constrained",
)
for (above, below), record in zip(axes.T, np.flatnonzero(~first)[:3], strict=True):
    of_record = beats.record == record
    above.plot(ms, beats.beats[of_record][:8, 0].T, color="#8c8c8c", linewidth=0.8)
    above.plot(ms, released.beats[of_record][:8, 0].T, color="#0072B2", linewidth=0.8)
    below.plot(ms, field[of_record].T, color="#0072B2", linewidth=1)
    below.axhline(0, color="#8c8c8c", linewidth=0.8)
    above.set_title(f"person {bunch.subject[record]}")
    below.set_xlabel("ms from R peak")
axes[0, 0].set_ylabel("mV")
axes[1, 0].set_ylabel("displacement, ms")

# %%
# Who is still recognized?
# ------------------------
# One attacker does not know the anonymizer. Another anonymizes their recordings with the same
# software and another salt, and trains on them. A field that deceives the first may not
# deceive the second.
attack = ReidentificationScorer("lda", evidence=[5], contract=None, min_original=0.5)
knowledge = ["ignorant", "semi-informed"]
strengths = [0.0, 0.25, 0.5, 1.0]
rank1_of = {name: [] for name in knowledge}
for strength in strengths:
    result = attack.evaluate(
        warp.set_params(strength=strength), beats, bunch.subject, sessions=bunch.session
    )
    for name in knowledge:
        rank1 = max(row.rank1 for row in result.rows if row.knowledge == name)
        rank1_of[name].append(rank1)
        print(f"strength {strength:g}, {name}: {rank1:.0%} recognized")

# sphinx_gallery_thumbnail_number = 1
figure, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
for name, color in zip(knowledge, ("#56B4E9", "#D55E00"), strict=True):
    ax.plot(strengths, np.multiply(100, rank1_of[name]), "o-", color=color, label=name)
ax.axhline(100 / 12, color="#8c8c8c", linestyle="--", label="chance")
ax.set(xlabel="strength", ylabel="recognized, %", ylim=(0, 105))
ax.legend(frameon=False)
