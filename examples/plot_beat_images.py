"""
Heartbeats as images, and back
==============================

Networks that generate images are well studied. To use them for ECGs, a beat must become an
image, and the image a beat again, without loss. :class:`~sklearn_ecganon.imaging.BeatImager`
does both.
"""

# %%
# Beats
# -----
# Consecutive beats of one recording, 800 ms each.
import os

import matplotlib.pyplot as plt
import numpy as np

from sklearn_ecganon import QRSSegmenter, make_ecg_records
from sklearn_ecganon.datasets import fetch_mitdb
from sklearn_ecganon.imaging import BeatImager

if os.environ.get("SKLEARN_ECGANON_DATA"):
    whole = fetch_mitdb(records=["100", "106", "119"], download_if_missing=False).data
    records = [record.crop(0, 60 * 360) for record in whole]
    print(f"MIT-BIH Arrhythmia Database, first minute of {len(records)} records")
else:
    records = make_ecg_records(n_subjects=3, n_sessions=1, duration=60.0, random_state=0).data
    print(f"SYNTHETIC, {len(records)} records; set SKLEARN_ECGANON_DATA for real ones")

beats = QRSSegmenter(leads=[0], sampling_rate=250.0).fit_transform(records)
print(beats)

# %%
# Arrangements
# ------------
# Every image shows the same beat, alone or with the next ones. The arrangement determines how
# time runs: along the rows, back and forth, with a beat in each row, through the colors, or
# from left to right with frequencies going up. An even patch at the end is padding. The
# largest error of any sample after the conversion back is below each image.
n_beats = {"stack": 24, "rgb": 3}
arrangements = ["raster", "serpentine", "stack", "rgb", "rgb-concatenated", "time-frequency"]


def round_trip(imager):
    """Return images of all beats, and the largest error of any sample after the inverse."""
    images = imager.fit_transform(beats)
    return images, np.abs(imager.inverse_transform(images).beats - beats.beats).max()


figure, axes = plt.subplots(2, 4, figsize=(11, 6.4), layout="constrained")
chosen = 1  # the record whose first beats are shown
ms = (np.arange(beats.n_times) - beats.n_times // 2) * 1000 / beats.sampling_rate
axes[0, 0].plot(ms, beats[chosen].beats[0, 0], color="black", linewidth=1)
axes[0, 0].set(title="the beat", xlabel="ms from R peak", ylabel="mV", box_aspect=1)
for row, color in zip(beats[chosen].beats[:3, 0], ["red", "green", "blue"], strict=True):
    axes[1, 0].plot(ms, row, color=color, linewidth=1)
axes[1, 0].set(title="three beats", xlabel="ms from R peak", ylabel="mV", box_aspect=1)
for ax, arrangement in zip(axes[:, 1:].flat, arrangements, strict=True):
    together = n_beats.get(arrangement, 1)
    images, error = round_trip(BeatImager(arrangement, windows_per_image=together))
    picture = images[chosen].images[0]
    # Colors are from 0 to 1, the values of the imager from -1 to 1.
    shown = (picture + 1) / 2 if picture.ndim == 3 else picture
    ax.imshow(shown, cmap="gray", interpolation="nearest", aspect="auto")
    ax.set(title=arrangement, xticks=[], yticks=[], box_aspect=1)
    size = " × ".join(map(str, picture.shape))
    ax.set_xlabel(f"{together} beat{'s' * (together > 1)}, {size} pixels\nerror {error:.0e} mV")
    if arrangement == "time-frequency":
        ax.set_ylabel("phase      magnitude")
        ax.yaxis.set_label_position("right")

# %%
# Convolutions see small patches of an image. In the raster a patch holds samples that are a
# row apart in time, in the stack the same moment of consecutive beats, in the time-frequency
# image one moment and one band. A network can therefore learn different things from them. The
# inverse is exact for all.
#
# Standardization and eight bits
# ------------------------------
# Floats lose nothing. Images of eight bits have 256 steps for a range, and the largest error
# is half a step. The range is that of all beats, or that of each beat, which two pixels after
# the last sample then hold.
print("standardization   float       8 bits      8 bits, median beat")
for standardization in ("global", "adapted", "z-score"):
    error = round_trip(BeatImager(standardization=standardization))[1]
    imager = BeatImager(standardization=standardization, dtype="uint8")
    images, coarse = round_trip(imager)
    of_beats = np.abs(imager.inverse_transform(images).beats - beats.beats).max(axis=(1, 2))
    print(
        f"{standardization:15}   {error:.0e} mV   {1000 * coarse:4.1f} µV     "
        f"{1000 * np.median(of_beats):4.1f} µV"
    )

# %%
# The range of each beat makes better use of the steps. But these two pixels also identify
# people, so that a method that hides the person must change them too.
#
# Beats from generated images
# ---------------------------
# The inverse needs only the pixels and the fitted imager. The blue curve is the inverse of the
# mean of two images. In the raster, as in all arrangements but one, it is the mean of the two
# beats. In the time-frequency image it is not, because the mean of two phases can be anything:
# a network that generates such images must learn the phase exactly.
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, layout="constrained")
for ax, arrangement in zip(axes, ["raster", "time-frequency"], strict=True):
    imager = BeatImager(arrangement).fit(beats)
    pictures = [imager.transform(beats[record]).images[:1] for record in (0, chosen)]
    for picture in pictures:
        ax.plot(ms, imager.inverse_transform(picture)[0, 0], color="#8c8c8c", linewidth=1)
    between = imager.inverse_transform((pictures[0] + pictures[1]) / 2)
    ax.plot(ms, between[0, 0], color="#0072B2", linewidth=1.5)
    ax.set(title=arrangement, xlabel="ms from R peak")
axes[0].set_ylabel("mV")
