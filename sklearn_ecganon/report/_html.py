"""An audit as one page of HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn_ecganon.report._result import AuditResult

# What the page shows at once of the utility; the rest can be unfolded.
HEADLINE = ("agreement_", "error_", "rr_exact", "f1_", "correlation")


def render(result: AuditResult) -> str:
    """Return the page: no scripts, nothing fetched, all text escaped."""
    try:
        import matplotlib as mpl
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise ImportError(
            "the page is made with jinja2 and matplotlib, one of which is not installed; run "
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
    ladder, figures = result.ladder, result.to_dict()
    evidence = sorted({row.evidence for row in ladder.rows})
    rungs: dict[tuple[str, str, str], dict[int, object]] = {}
    for row in (
        *sorted(ladder.rows, key=lambda row: row.panel != "waveform"),
        *ladder.floor_rows,
    ):
        rungs.setdefault((row.panel, row.attacker, row.knowledge), {})[row.evidence] = row
    with mpl.rc_context({"backend": "agg", "font.size": 11}):
        drawn = pictures(result, figures["identification"])
    return environment.get_template("audit.html.j2").render(
        result=result,
        figures=figures,
        ladder=ladder,
        evidence=evidence,
        rungs=rungs,
        pictures=drawn,
        headline={
            name: value
            for name, value in figures["utility"].items()
            if name.startswith(HEADLINE)
        },
    )


def _percent(share: float | None) -> str:
    return "not observable" if share is None else f"{100 * share:.1f} %"
