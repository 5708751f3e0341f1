"""A release that breaks one rule of a valid ECG, and the figure that shows it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import resample_poly

from sklearn_ecganon import QRSSegmenter, make_ecg_records
from sklearn_ecganon.utility import validity


@pytest.fixture(scope="module")
def records():
    """Two records of 30 s with leads I, II, III and noise, which obey Einthoven's law."""
    bunch = make_ecg_records(2, n_sessions=1, duration=30.0, random_state=0)
    rng = np.random.default_rng(0)
    modified = []
    for record in bunch.data:
        first = record.signal[:, 0] + 0.01 * rng.normal(size=record.n_times)
        second = 0.7 * first + 0.01 * rng.normal(size=record.n_times)
        signal = np.column_stack([first, second, second - first])
        modified.append(replace(record, signal=signal, lead_names=("I", "II", "III")))
    return modified


def changed(records, edit):
    """Return the records with another signal."""
    return [replace(r, signal=edit(r.signal.copy(), r)) for r in records]


def figures(records, edit, **extra):
    return validity(records, changed(records, edit), **extra).to_dict()


def test_an_identical_release_has_the_originals_figures(records):
    result = validity(records, records)
    for row in result.rows:
        assert row.after == row.before or (np.isnan(row.after) and np.isnan(row.before))
    figures_of_release = result.to_dict()
    assert figures_of_release["limb_lead_error"] == pytest.approx(0, abs=1e-12)
    assert figures_of_release["r_peaks_f1"] > 0.95
    assert (
        figures_of_release["heart_rate_kept"]
        == figures_of_release["gaps_kept"]
        == figures_of_release["flat_leads_kept"]
        == 1
    )
    assert "original" in str(result)
    assert len(str(result).splitlines()) == 1 + len(result.rows)


def test_leads_that_do_not_add_up(records):
    def edit(signal, record):
        signal[:, 2] += 0.2
        return signal

    assert figures(records, edit)["limb_lead_error"] == pytest.approx(0.2)


def test_limb_leads_need_their_names(records):
    anonymous = [replace(r, lead_names=("a", "b", "c")) for r in records]
    assert np.isnan(validity(anonymous, anonymous).to_dict()["limb_lead_error"])


def test_jumps_between_beats(records):
    def edit(signal, record):
        middles = (record.r_peaks[1:] + record.r_peaks[:-1]) // 2
        for middle in middles:
            signal[middle:] += 0.3
        return signal

    result = figures(records, edit)
    n_jumps = sum(len(r.r_peaks) - 1 for r in records)
    # Less than the whole duration counts, so that the rate is higher.
    rate = n_jumps / (sum(r.duration for r in records) / 60)
    # The noise of the originals itself jumps now and then.
    assert result["jumps"] > result["before_jumps"] + 0.8 * rate
    assert result["before_jumps"] < 0.5 * rate


def test_segments_without_noise(records):
    def edit(signal, record):
        signal[: record.n_times // 2] = np.linspace(0, 0.1, record.n_times // 2)[:, None]
        return signal

    result = figures(records, edit)
    assert result["before_noiseless"] == 0
    assert 0.3 < result["noiseless"] < 0.7


def test_range_and_amplitude(records):
    result = figures(records, lambda signal, record: 30 * signal)
    assert result["out_of_range"] > 0.01
    assert result["before_out_of_range"] == 0
    assert result["amplitude"] == pytest.approx(30 * result["before_amplitude"])


def test_gaps_and_flat_leads(records):
    def damage(signal, record):
        signal[500:1500] = np.nan
        signal[:, 2] = 0.0
        return signal

    damaged = changed(records, damage)
    same = validity(damaged, damaged).to_dict()
    assert same["gaps_kept"] == same["flat_leads_kept"] == 1
    filled = validity(damaged, records).to_dict()
    assert filled["gaps_kept"] == filled["flat_leads_kept"] == 0


def test_lost_beats_and_another_rhythm(records):
    figures_of_release = figures(records, lambda signal, record: signal[::-1])
    assert figures_of_release["r_peaks_f1"] < 0.5
    noise = np.random.default_rng(0)
    lost = figures(records, lambda signal, record: noise.normal(size=signal.shape))
    assert lost["r_peaks_f1"] < 0.5
    assert lost["before_heart_rate_kept"] == 1


def test_pacing_spikes_are_missed(records):
    def stimulate(signal, record):
        for peak in record.r_peaks[1:]:
            at = peak - round(0.1 * record.sampling_rate)
            signal[at] += 1.0
        return signal

    paced = changed(records, stimulate)
    figures_of_release = validity(paced, records, paced=[True, True]).to_dict()
    assert figures_of_release["before_pacing_spikes"] > 0.9
    assert figures_of_release["pacing_spikes"] < 0.2
    assert np.isnan(validity(paced, records).to_dict()["pacing_spikes"])


@pytest.mark.parametrize("amplitude", [0.0, 0.05])
def test_p_waves_in_fibrillation(amplitude):
    sinus = make_ecg_records(2, n_sessions=1, duration=30.0, random_state=0).data

    def replace_p_waves(signal, record):
        """Write a straight line instead of P waves, and fibrillatory waves of 6.5 Hz."""
        far, near = (round(s * record.sampling_rate) for s in (0.3, 0.06))
        for peak in record.r_peaks[record.r_peaks > far]:
            ends = signal[peak - far], signal[peak - near]
            signal[peak - far : peak - near] = np.linspace(*ends, far - near)
        time = np.arange(len(signal)) / record.sampling_rate
        return signal + amplitude * np.sin(2 * np.pi * 6.5 * time)[:, np.newaxis]

    annotated = changed(sinus, replace_p_waves)
    everywhere = [[(0.0, 30.0)]] * 2
    figures_of_release = validity(annotated, sinus, fibrillation=everywhere).to_dict()
    assert figures_of_release["before_p_waves_in_fibrillation"] < 0.4
    assert figures_of_release["p_waves_in_fibrillation"] > 0.8
    assert np.isnan(validity(annotated, sinus).to_dict()["p_waves_in_fibrillation"])


def test_beat_sets_are_stitched(bunch):
    beats = QRSSegmenter().fit_transform(bunch.data[:2])
    figures_of_release = validity(beats, beats.with_beats(2 * beats.beats)).to_dict()
    assert figures_of_release["amplitude"] == pytest.approx(
        2 * figures_of_release["before_amplitude"]
    )


def test_another_rate_length_and_order_of_leads(records):
    names = records[0].lead_names[::-1]
    released = [
        replace(
            record,
            signal=resample_poly(record.signal[: 10 * 250, ::-1], 2, 1, axis=0),
            sampling_rate=2 * record.sampling_rate,
            lead_names=names,
            r_peaks=None,
            beat_labels=None,
        )
        for record in records
    ]
    assert records[0].sampling_rate == 250
    assert records[0].duration > 10
    result = validity(records, released).to_dict()
    assert result["amplitude"] == pytest.approx(result["before_amplitude"], rel=0.05)
    assert result["limb_lead_error"] == pytest.approx(
        result["before_limb_lead_error"], abs=0.01
    )
    assert result["heart_rate_kept"] == 1


def test_other_names_of_leads(records):
    renamed = [replace(r, lead_names=("a", "b", "c")) for r in records]
    result = validity(records, renamed).to_dict()
    first = [replace(r, signal=r.signal[:, :1], lead_names=("I",)) for r in records]
    assert result["amplitude"] == validity(first, first).to_dict()["amplitude"]


def test_refuses_what_does_not_fit(records):
    with pytest.raises(ValueError, match="give the same ones"):
        validity(records, records[:1])
    with pytest.raises(ValueError, match="1 entries for 2"):
        validity(records, records, paced=[True])
