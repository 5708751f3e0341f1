"""An audit as one page of HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn_ecganon.attacks import describe_evidence

if TYPE_CHECKING:
    from sklearn_ecganon.report._result import AuditResult

# Utility figures that the page always shows; the others can be unfolded.
HEADLINE = ("agreement_", "error_", "rr_exact", "f1_", "correlation")


def render(result: AuditResult) -> str:
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
        headline={
            name: value
            for name, value in figures["utility"].items()
            if name.startswith(HEADLINE)
        },
    )


def _percent(fraction: float | None) -> str:
    return "not observable" if fraction is None else f"{100 * fraction:.1f} %"
