"""What the figures of utility are called on a page, and their units."""

from __future__ import annotations

PREFIXES = {
    "before_": "originals: ",
    "error_": "error of ",
    "bias_": "signed error of ",
    "delineator_error_": "error of the measurement itself, ",
    "fraction_within_": "recordings within tolerance, ",
    "within_": "median error within tolerance (1: yes), ",
    "n_records_": "recordings compared, ",
    "agreement_": "agreement of ",
    "kappa_": "Cohen's kappa of ",
    "sensitivity_": "R peaks found, within ",
    "precision_": "R peaks that are right, within ",
    "f1_": "F1 of R peaks, within ",
    "rmse_": "root mean square error, ",
    "correlation_": "correlation, ",
}
WORDS = {
    "waveform": "waveform kept",
    "correlation": "correlation",
    "prd": "percentage root mean square difference",
    "rr_exact": "RR intervals kept exactly",
    "utility": "utility",
    "mean_rr": "mean RR",
    "sdnn": "SDNN",
    "rmssd": "RMSSD",
    "pnn50": "pNN50",
    "p_wave": "presence of P waves",
    "rate_zone": "heart-rate zone",
    "irregularity": "irregularity",
    "wide_qrs": "wide QRS",
    "pr": "PR category",
    "qtc": "QTc category",
    "st": "ST category",
    "beat_classes": "beat classes",
    "qrs": "QRS",
    "outside": "outside of the QRS",
    "150ms": "150 ms",
    "50ms": "50 ms",
}
FRACTION = "of 1"
#: Checks of validity.
CHECKS = {
    "limb_lead_error": "deviation of limb leads from Einthoven and Goldberger",
    "jumps": "jumps between neighboring samples, outside of QRS complexes",
    "noiseless": "stretches without noise",
    "out_of_range": "samples beyond 5 mV",
    "amplitude": "amplitude of a lead",
    "p_waves_in_fibrillation": "P waves in annotated fibrillation",
    "pacing_spikes": "beats of paced records with a pacing spike",
    "r_peaks_f1": "F1 of detected R peaks, within 50 ms",
    "heart_rate_kept": "recordings with the heart rate of their original, within 5 %",
    "gaps_kept": "overlap of gaps with those of the original",
    "flat_leads_kept": "overlap of flat leads with those of the original",
}
#: Figures of realism.
REALISM = {
    "auc": "two-sample AUC",
    "frechet": "Frechet distance",
    "precision": "precision: strips that lie among real ones",
    "recall": "recall: real strips that lie among those compared",
}


def describe_figure(name: str) -> tuple[str, str]:
    """Return what a figure of utility is called, and its unit.

    Parameters
    ----------
    name : str
        Its name in the JSON file, for example ``"error_QT"``.

    Returns
    -------
    label, unit : str
        For example ``"error of QT"`` and ``"ms"``. The unit of a fraction is ``"of 1"``, and
        that of a correlation is empty.
    """
    label, rest = "", name
    for prefix, words in PREFIXES.items():
        if rest.startswith(prefix):
            label, rest = label + words, rest.removeprefix(prefix)
            if prefix != "before_":
                break
    label += WORDS.get(rest, rest.replace("_", " "))
    return label, _unit(name.removeprefix("before_"), rest)


def _unit(name: str, quantity: str) -> str:
    if name.startswith("n_records_"):
        return "recordings"
    if name.startswith(("kappa_", "correlation")):
        return ""
    if name.startswith("rmse_"):
        return "mV"
    if name == "prd":
        return "%"
    if name.startswith(("error_", "bias_", "delineator_error_")):
        return {"ST": "mV", "pnn50": "percentage points"}.get(quantity, "ms")
    return FRACTION
