"""
Regions that stay unchanged
===========================

An anonymizer changes a whole recording. Some regions may have to stay as they were measured
for a diagnosis: the QRS complex of a beat, or the part of an image that shows the finding.
:class:`~sklearn_ecganon.anonymizers.FlowFieldAnonymizer` and
:class:`~sklearn_ecganon.images.FlowFieldPerturbation` take a mask of such a region. Inside it
the release equals the original bit for bit, and the transition lies outside.
"""

# %%
# The QRS of a beat
# -----------------
# :class:`~sklearn_ecganon.regions.QRSRegion` marks it, here from the onset to the offset of
# the delineator, with 10 ms on each side. The flow field is a warp of time. It is trained
# against a net that verifies people, and does not warp the marked region. For the figure it
# may move everything else by up to 40 ms.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_ecganon import QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers import FlowFieldAnonymizer
from sklearn_ecganon.images import FlowFieldPerturbation, UNetSegmenter
from sklearn_ecganon.regions import QRSRegion

bunch = make_ecg_records(n_subjects=12, n_sessions=2, duration=20.0, random_state=0)
beats = QRSSegmenter().fit_transform(bunch.data)
print(f"SYNTHETIC: {beats}")

region = QRSRegion("delineated")
flow = FlowFieldAnonymizer(
    mu=0.1, protect=region, n_filters=8, max_epochs=20, lr=1e-3, random_state=0
)
released = flow.fit(beats, bunch.subject).transform(beats)

inside = region.predict(beats)
same = released.beats == beats.beats
print(f"samples within the QRS that are the same, bit for bit: {same[inside].mean():.0%}")
print(f"samples outside: {same[~inside].mean():.0%}")

# %%
# The original is gray, the release blue, the QRS yellow. Other waves come earlier or later.
# The lower curve is the displacement: the release at each moment shows the original at that
# time plus the displacement, so that waves are late where it is negative. It falls to 0
# towards the QRS with a limited slope, so that time never runs backward.
ORIGINAL, RELEASED, PROTECTED = "#8c8c8c", "#0072B2", "#F0E442"
ms = (np.arange(beats.n_times) - beats.n_times // 2) * 1000 / beats.sampling_rate
shift = flow.field(beats)[:, 0] * 1000 / beats.sampling_rate
figure, axes = plt.subplots(
    2,
    3,
    figsize=(10, 4.6),
    sharex=True,
    sharey="row",
    height_ratios=[3, 1],
    layout="constrained",
)
for column, record in enumerate((0, 7, 14)):
    beat = int(np.flatnonzero(beats.record == record)[3])
    qrs = ms[inside[beat, 0]]
    for ax in axes[:, column]:
        ax.axvspan(qrs[0], qrs[-1], color=PROTECTED, alpha=0.4, linewidth=0)
    axes[0, column].plot(ms, beats.beats[beat, 0], color=ORIGINAL, linewidth=1.5)
    axes[0, column].plot(ms, released.beats[beat, 0], color=RELEASED, linewidth=1)
    axes[0, column].set_title(f"person {bunch.subject[record]}")
    axes[1, column].plot(ms, shift[beat], color=RELEASED, linewidth=1)
    axes[1, column].set_xlabel("ms from R peak")
axes[0, 0].set_ylabel("mV")
axes[1, 0].set_ylabel("displacement, ms")

# %%
# A protected region is not anonymized, and the QRS alone identifies people. Measure with
# :class:`~sklearn_ecganon.ReidentificationScorer` how much such a release reveals.
#
# The finding in an image
# -----------------------
# Images have no R peak that marks a region. :class:`~sklearn_ecganon.images.UNetSegmenter`
# learns to find regions from hand-drawn masks. The images here are synthetic: each person has
# other lungs and ribs, and each image has noise and a nodule in one lung. The segmenter learns
# to find the nodule.
rng = np.random.default_rng(0)
SIDE, N_PEOPLE, N_VISITS = 64, 30, 3
rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
person = np.repeat(np.arange(N_PEOPLE), N_VISITS)


def ellipse(top, left, high, wide):
    """Return how far inside an ellipse each pixel is, with a soft edge: (n, 64, 64)."""
    top, left, high, wide = (np.reshape(v, (-1, 1, 1)) for v in (top, left, high, wide))
    distance = ((rows - top) / high) ** 2 + ((columns - left) / wide) ** 2
    return 0.5 - 0.5 * np.tanh(10 * (distance - 1))


build = rng.normal(0, 1, (7, N_PEOPLE))[:, person]
body = ellipse(0.55, 0.5, 0.5, 0.46 + 0.03 * build[0])
lungs = ellipse(0.5 + 0.02 * build[1], 0.3, 0.3 + 0.03 * build[2], 0.13 + 0.02 * build[3])
lungs += ellipse(0.5 + 0.02 * build[1], 0.7, 0.3 + 0.03 * build[4], 0.13 + 0.02 * build[5])
ribs = np.sin(2 * np.pi * (9 + build[6][:, None, None]) * (rows - 0.3 * (columns - 0.5) ** 2))
side = rng.choice([0.3, 0.7], len(person))
nodule = ellipse(
    rng.uniform(0.35, 0.65, len(person)), side, *rng.uniform(0.05, 0.08, (2, len(person)))
)
images = 0.15 + 0.6 * body - 0.35 * lungs + 0.04 * ribs * body + 0.3 * nodule
images = np.clip(images + rng.normal(0, 0.03, images.shape), 0, 1).astype(np.float32)
masks = nodule > 0.5

known = person < 20
segmenter = UNetSegmenter(max_epochs=20, batch_size=8, random_state=0)
segmenter.fit(images[known], masks[known])
print(f"Dice on images of other people: {segmenter.score(images[~known], masks[~known]):.3f}")

# %%
# The fitted segmenter is passed in place of a mask, and predicts one for every original. The
# published deformation degree, 0.01, is a third of a pixel here. Ten times as much makes the
# deformation visible.
warp = FlowFieldPerturbation(
    mu=0.1,
    protect=segmenter,
    n_filters=8,
    max_epochs=6,
    lr=1e-3,
    random_state=0,
)
warped = warp.fit(images[known], person[known]).transform(images[~known])
predicted = segmenter.predict(images[~known])
same = warped == images[~known]
print(f"unchanged pixels of the predicted nodules: {same[predicted].mean():.0%}")
print(f"pixels elsewhere: {same[~predicted].mean():.0%}")

figure, axes = plt.subplots(3, 4, figsize=(8.4, 6.6), layout="constrained")
for column in range(4):
    chosen = N_VISITS * column
    before, after = images[~known][chosen], warped[chosen]
    pictures = [(before, 1), (after, 1), (np.abs(after - before), 0.3)]
    for ax, (picture, top) in zip(axes[:, column], pictures, strict=True):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=top)
        ax.contour(predicted[chosen], [0.5], colors="#E69F00", linewidths=1)
        ax.set(xticks=[], yticks=[])
for ax, name in zip(axes[:, 0], ("original", "release", "difference"), strict=True):
    ax.set_ylabel(name)

# %%
# The outline is the predicted region. The deformation also moves the noise of the image, so
# that the difference is grainy everywhere outside the region.
