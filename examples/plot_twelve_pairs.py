"""
========================
Twelve recordings, twice
========================

Each pair shows ten seconds of a recording of MIT-BIH or LUDB, and below it ten seconds of its
release by the pretrained :class:`~sklearn_ecganon.PseudoIdentityAnonymizer`, under the
diagnostic contract. Look at them as a cardiologist would: is the finding still there, and is
the person gone? The population of synthetic people was learned from these databases, among
others.

The example takes half a minute after MIT-BIH and LUDB have been downloaded.
"""

# %%
# The recordings were chosen for their findings, before their releases were looked at.

import matplotlib.pyplot as plt

from sklearn_ecganon import PseudoIdentityAnonymizer, QRSSegmenter
from sklearn_ecganon.datasets import fetch_ludb, fetch_mitdb

MITDB = {
    "100": "sinus rhythm",
    "104": "paced, with fusion",
    "109": "left bundle branch block",
    "118": "right bundle branch block",
    "119": "ventricular bigeminy",
    "201": "atrial fibrillation",
    "207": "ventricular ectopy, bundle branch block",
    "232": "pauses",
}
LUDB = {
    "1": "12 leads: sinus rhythm",
    "8": "12 leads: atrial fibrillation",
    "34": "12 leads",
    "90": "12 leads",
}


def pairs(records, titles, segmenter, start):
    """Yield the title, the original and the release of some recordings."""
    chosen = [record for record in records if record.name.split("/")[-1] in titles]
    beats = segmenter.fit_transform(chosen)
    model = PseudoIdentityAnonymizer(random_state=0)
    released = segmenter.inverse_transform(model.fit_transform(beats))
    for before, after in zip(chosen, released, strict=True):
        name = before.name.split("/")[-1]
        yield f"{name}: {titles[name]}", before, after, start


mitdb = [record.crop(0, 360 * 120) for record in fetch_mitdb().data]
rows = list(pairs(mitdb, MITDB, QRSSegmenter("annotated"), 30.0))
ludb = fetch_ludb(true_amplitudes=True).data
rows += list(pairs(ludb, LUDB, QRSSegmenter(leads=ludb[0].lead_names), 0.0))

# %%
# The release has a rhythm of its own, so that ectopic beats and pauses stand at other places.

fig, axes = plt.subplots(2 * len(rows), 1, figsize=(10, 4.6 * len(rows)), layout="constrained")
for (title, before, after, start), above, below in zip(
    rows, axes[::2], axes[1::2], strict=True
):
    names = [name for name in before.lead_names if name.upper() in ("II", "MLII")]
    lead = names[0] if names else before.lead_names[0]
    for ax, record, side in ((above, before, "original"), (below, after, "release")):
        record.plot(start=start, duration=9.9, leads=[lead], ax=ax)
        ax.set_ylim(-2, 2)
        ax.set_title(f"{title}, lead {lead}, {side}", loc="left", fontsize=10)

# %%
# **What is still unlike.** One ventricular shape is used for a recording, so that multiform
# beats become uniform. Fibrillatory waves are more regular than real ones. Paced beats look
# alike in all releases, because few people of the population have a pacemaker.
