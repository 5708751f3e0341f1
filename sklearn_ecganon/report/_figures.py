"""The figures of an audit's page, as PNG in a data address: nothing is fetched."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sklearn_ecganon.metrics import error_rates
from sklearn_ecganon.plot import (
    KNOWLEDGE_STYLE,
    ORIGINAL,
    TEXT,
    BeatOverlayDisplay,
    IdentityMapDisplay,
    ReidentificationDisplay,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


STRIP_SECONDS = 6.0


class Picture(NamedTuple):
    """A figure of the page: what it shows, in words and as a data address."""

    caption: str
    source: str


def pictures(result: Any, curves: dict[str, dict[str, Any]]) -> dict[str, list[Picture]]:
    """Return the figures of each section of the page."""
    shown = {
        "ladder": [_ladder(result)],
        "curves": [_cmc(result, curves), _det(result)],
        "maps": list(_maps(result)),
        "strips": list(_strips(result)),
    }
    return {
        section: [Picture(caption, _encoded(figure)) for caption, figure in figures]
        for section, figures in shown.items()
    }


def _encoded(figure: Figure) -> str:
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    # Without the time of drawing, the same audit gives the same page.
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _ladder(result: Any) -> tuple[str, Figure]:
    display = ReidentificationDisplay.from_result(result.evaluation)
    return "Subjects recognized, by the attacker's knowledge and evidence.", (display.figure_)


def _cmc(result: Any, curves: dict[str, dict[str, Any]]) -> tuple[str, Figure]:
    figure, ax = _axes()
    n_subjects = result.evaluation.n_subjects
    ranks = np.arange(1, n_subjects + 1)
    for stage, curve in curves.items():
        style = {**KNOWLEDGE_STYLE[curve["knowledge"]], "marker": None}
        ax.plot(ranks, 100 * np.array(curve["cmc"]), label=_stage(stage, curve), **style)
    ax.plot(ranks, 100 * ranks / n_subjects, ":", color=TEXT, label="guessing")
    ax.set(
        xlabel="guesses of the attacker",
        ylabel="right person among them (%)",
        xlim=(1, n_subjects),
        ylim=(0, 103),
    )
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(frameon=False, loc="lower right")
    return "CMC: how often the right person is among the first few guesses.", figure


def _det(result: Any) -> tuple[str, Figure]:
    figure, ax = _axes()
    worst = result.evaluation.worst
    for stage, knowledge in (("original", "original"), ("release", worst.knowledge)):
        trials = result.evaluation.trials[worst.attacker, knowledge]
        subjects = np.arange(trials.scores.shape[1])
        false_non_match, false_match = error_rates(trials.comparable, trials.subjects, subjects)
        style = {**KNOWLEDGE_STYLE[knowledge], "marker": None}
        label = _stage(stage, {"attacker": worst.attacker, "knowledge": knowledge})
        ax.plot(100 * false_match, 100 * false_non_match, label=label, **style)
    ax.plot([0, 100], [100, 0], ":", color=TEXT, label="guessing")
    ax.set(
        xlabel="impostors accepted (%)",
        ylabel="right persons rejected (%)",
        xlim=(0, 100),
        ylim=(0, 100),
    )
    ax.legend(frameon=False, loc="upper right")
    return (
        "DET: checking a claimed identity. It is easier the lower the curve.",
        figure,
    )


def _maps(result: Any) -> Iterator[tuple[str, Figure]]:
    for stage, identity in result.maps.items():
        display = IdentityMapDisplay.from_map(identity)
        yield f"Where in the beat people are recognized, {stage}.", display.figure_


def _strips(result: Any) -> Iterator[tuple[str, Figure]]:
    for before, after in result.strips:
        length = min(STRIP_SECONDS, before.duration - 1, after.duration - 1)
        display = BeatOverlayDisplay.from_records(before, after, start=1.0, duration=length)
        yield f"Record {before.name}, before and after.", display.figure_


def _stage(stage: str, curve: dict[str, Any]) -> str:
    if stage == "original":
        return f"originals ({curve['attacker']})"
    return f"release ({curve['attacker']}, {curve['knowledge']})"


def _axes() -> tuple[Figure, Any]:
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(5.6, 4.2), layout="constrained")
    ax.grid(color="0.92")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(colors=TEXT)
    ax.spines[["left", "bottom"]].set_color(ORIGINAL)
    return figure, ax
