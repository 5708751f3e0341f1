"""Draw the figure of the README: a recording of PTB-XL before and after.

    python -m tools.front_page [--out docs/before_after.png]

The recording is the first of the part of PTB-XL (CC BY 4.0) that is stated to have a complete
right bundle branch block. The release is that of the shipped weights at strength 1 under the
diagnostic contract, seed 0. Both sides have the same scale.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sklearn_ecganon import PseudoIdentityAnonymizer, QRSSegmenter, make_ecg_records
from sklearn_ecganon.datasets import get_data_home, load_ptbxl

STATEMENT = "CRBBB"
LEADS = ("II", "V1")
SHOWN_S = 1.0, 6.0


def draw(path: Path, *, quick: bool = False) -> None:
    """Write the figure.

    Parameters
    ----------
    path : Path
        A file name with the extension of an image.
    quick : bool, default=False
        Whether to use a synthetic recording.
    """
    if quick:
        records = make_ecg_records(2, n_sessions=1, n_leads=12, duration=10.0).data[:1]
    else:
        bunch = load_ptbxl(get_data_home() / "ptbxl-300")
        records = [record for record in bunch.data if STATEMENT in record.statements][:1]
    segmenter = QRSSegmenter()
    beats = segmenter.fit_transform(records)
    released = PseudoIdentityAnonymizer(random_state=0).fit_transform(beats)
    whole = records[0], *segmenter.inverse_transform(released)
    sides = [
        record.crop(*(round(t * record.sampling_rate) for t in SHOWN_S)) for record in whole
    ]
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    axes = figure.subplots(len(LEADS), 2)
    for row, lead in zip(axes, LEADS, strict=True):
        values = [side.signal[:, side.lead_names.index(lead)] for side in sides]
        limits = float(np.nanmin(values)) - 0.1, float(np.nanmax(values)) + 0.1
        for ax, side, title in zip(row, sides, ("original", "released"), strict=True):
            side.plot(leads=[lead], limits=limits, ax=ax, linewidth=0.9)
            ax.set_title(title, loc="left")
    figure.savefig(path, dpi=110)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/before_after.png"))
    parser.add_argument("--quick", action="store_true", help="a synthetic recording")
    arguments = parser.parse_args(argv)
    draw(arguments.out, quick=arguments.quick)


if __name__ == "__main__":
    main()
