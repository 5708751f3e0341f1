"""An audit as one page of HTML."""

from __future__ import annotations

from typing import Any

from sklearn_ecganon.attacks import CROSSINGS, describe_evidence
from sklearn_ecganon.report._labels import CHECKS, REALISM, describe_figure
from sklearn_ecganon.report._verdict import ABOVE, BELOW, MIN_SUBJECTS, verdict_sentences

# Utility figures that the page always shows; the others can be unfolded.
HEADLINE = ("agreement_", "error_", "rr_exact", "f1_", "correlation")
N_SHOWN = 10
GLOSSARY = {
    "rank-1": "The fraction of people whom the attacker names at the first guess, as a "
    "mean over people. Its 95 % interval comes from a bootstrap over people.",
    "gallery, probe": "The identified recordings that the attacker holds, and the released "
    "recordings to be identified.",
    "evidence": "What the attacker combines: some beats, a whole recording, or all released "
    "recordings of one person.",
    "knowledge": "What the attacker knows of the anonymizer. “ignorant”: nothing; trained on "
    "originals. “lazy-informed”: compares with released recordings of known people. "
    "“semi-informed”: is also trained on them. “original”: before anonymization, which "
    "shows how strong the attacker is.",
    "panel": "“waveform”: the attacker sees beats only. “full”: it uses rhythm and intervals "
    "as well, or instead.",
    "contract, floor": "What the release promises to keep, and what an attacker achieves on "
    "originals from that and nothing else. Everything that is kept identifies.",
    "EER": "Equal error rate: when a claimed identity is checked, the rate at which impostors "
    "are accepted as often as the right person is rejected. 50 % is guessing.",
    "D_sys": "How different the scores of the same and of other people are: 0 is unlinkable, "
    "1 is fully linkable.",
    "singling out, linkability, inference": "The three risks of Opinion 05/2014 of the Article "
    "29 Working Party (WP216): isolating one person, linking records of one person, and "
    "concluding something about a person.",
}


def render(result: Any) -> str:
    """Return the page. It has no scripts, fetches nothing, and escapes all text."""
    try:
        import matplotlib as mpl
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise ImportError(
            "the page needs jinja2 and matplotlib, one of which is not installed; run "
            'pip install "sklearn-ecganon[report]"'
        ) from error
    from sklearn_ecganon.report._figures import pictures

    environment = Environment(
        loader=PackageLoader("sklearn_ecganon.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = _percent
    environment.filters["decimal"] = _decimal
    environment.filters["figure"] = describe_figure
    evaluation, figures = result.evaluation, result.to_dict()
    evidence = {e: describe_evidence(e) for e in evaluation.evidence}
    levels: dict[tuple[str, str, str], dict[int | str, object]] = {}
    for row in (
        *sorted(evaluation.rows, key=lambda row: row.panel != "waveform"),
        *evaluation.floor_rows,
    ):
        levels.setdefault((row.panel, row.attacker, row.knowledge), {})[row.evidence] = row
    with mpl.rc_context({"backend": "agg", "font.size": 11}):
        figures_of_page = pictures(result, figures["identification"])
    return environment.get_template("audit.html.j2").render(
        result=result,
        figures=figures,
        evaluation=evaluation,
        evidence=evidence,
        levels=levels,
        pictures=figures_of_page,
        outcome_class={BELOW: "below", ABOVE: "above"}.get(result.outcome, "unknown"),
        sentences=verdict_sentences(result),
        n_shown=N_SHOWN,
        manifest=_manifest(result.provenance.get("manifest") or {}),
        glossary=GLOSSARY,
        min_subjects=MIN_SUBJECTS,
        checks=CHECKS,
        crossings=CROSSINGS,
        realism=REALISM,
        headline={
            name: value
            for name, value in figures["utility"].items()
            if name.startswith(HEADLINE)
        },
    )


def _manifest(head: dict[str, Any]) -> dict[str, str]:
    """Return what a manifest states about the method, in words."""
    names = {
        "method": "method",
        "strength": "strength",
        "contract": "contract",
        "k": "people who share each profile by construction (k)",
        "ecganon": "version of the software",
        "model": "SHA-256 of the weights",
        "detector": "detector of beats",
    }
    return {words: str(head[name]) for name, words in names.items() if head.get(name)}


def _percent(fraction: float | None) -> str:
    return "not observable" if fraction is None else f"{100 * fraction:.1f}\N{NO-BREAK SPACE}%"


def _decimal(number: float | None) -> str:
    return "not known" if number is None else f"{number:.3f}"
