"""Files of ECG carts, built from descriptions of their formats, with a person in all fields."""

import base64
import binascii
import json
import struct

import numpy as np

NAME, GIVEN, ID, STREET, REMARK = "Zbigniewska", "Anna", "7734021", "Elmstreet", "hypochond"
BORN, DATE, TIME, DEVICE, PLACE = (
    *("1953-02-14", "2019-08-23", "07:41:53", "CART-9000", "Musterklinik"),
)
LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
RATE = 500
#: A median beat is larger than anything in the rhythm, so that it would be noticed.
MEDIAN = 7.0


def rhythm(n_times=5000, n_leads=8, seed=0):
    """Signal of shape (n_times, n_leads) in mV, on a grid of 5 uV."""
    rng = np.random.default_rng(seed)
    times = np.arange(n_times) / RATE
    beats = np.exp(-(((times % 0.8) - 0.4) ** 2) / 2e-4)[:, np.newaxis]
    signal = beats * np.linspace(0.6, 1.6, n_leads) + rng.normal(0, 0.01, (n_times, n_leads))
    return np.rint(signal * 200) / 200


def counts(signal, microvolts=5.0):
    return np.rint(signal * 1000 / microvolts).astype("<i2")


def muse_xml(signal):
    def waveform(kind, values):
        leads = ""
        for lead, column in zip(LEADS, counts(values).T, strict=True):
            data = column.tobytes()
            leads += (
                f"<LeadData><LeadByteCountTotal>{len(data)}</LeadByteCountTotal>"
                f"<LeadSampleCountTotal>{len(column)}</LeadSampleCountTotal>"
                "<LeadAmplitudeUnitsPerBit>5</LeadAmplitudeUnitsPerBit>"
                "<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits>"
                f"<LeadID>{lead}</LeadID><LeadSampleSize>2</LeadSampleSize>"
                f"<WaveFormData>\n{base64.encodebytes(data).decode()}</WaveFormData></LeadData>"
            )
        return (
            f"<Waveform><WaveformType>{kind}</WaveformType><SampleBase>{RATE}</SampleBase>"
            f"<SampleExponent>0</SampleExponent>{leads}</Waveform>"
        )

    median = np.full((600, 8), MEDIAN)
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<RestingECG>'
        f"<MuseInfo><MuseVersion>{DEVICE}</MuseVersion></MuseInfo><PatientDemographics>"
        f"<PatientID>{ID}</PatientID><DateofBirth>{BORN}</DateofBirth><PatientAge>66</PatientAge>"
        f"<PatientLastName>{NAME}</PatientLastName><PatientFirstName>{GIVEN}</PatientFirstName>"
        f"</PatientDemographics><TestDemographics><SiteName>{PLACE}</SiteName>"
        f"<AcquisitionDate>{DATE}</AcquisitionDate><AcquisitionTime>{TIME}</AcquisitionTime>"
        f"<AcquisitionDevice>{DEVICE}</AcquisitionDevice><RoomID>{STREET}</RoomID>"
        f"<OverreaderLastName>{NAME}</OverreaderLastName></TestDemographics>"
        "<RestingECGMeasurements><VentricularRate>77</VentricularRate></RestingECGMeasurements>"
        f"<Diagnosis><DiagnosisStatement><StmtText>{REMARK} {NAME}</StmtText>"
        "</DiagnosisStatement></Diagnosis>"
        f"{waveform('Median', median)}{waveform('Rhythm', signal)}</RestingECG>"
    ).encode("latin-1")


def aecg(signal):
    def series(kind, values):
        sequences = ""
        for lead, column in zip(LEADS, counts(values).T, strict=True):
            digits = " ".join(map(str, column.tolist()))
            sequences += (
                f'<component><sequence><code code="MDC_ECG_LEAD_{lead}"/>'
                '<value xsi:type="SLIST_PQ"><origin value="0" unit="uV"/>'
                f'<scale value="5" unit="uV"/><digits>{digits}</digits></value>'
                "</sequence></component>"
            )
        return (
            f'<code code="{kind}"/><effectiveTime><low value="20190823074153"/></effectiveTime>'
            f"<author><seriesAuthor><manufacturedSeriesDevice><id extension='{ID}'/>"
            f"<manufacturerModelName>{DEVICE}</manufacturerModelName></manufacturedSeriesDevice>"
            f"<manufacturerOrganization><name>{PLACE}</name></manufacturerOrganization>"
            "</seriesAuthor></author><component><sequenceSet><component><sequence>"
            '<code code="TIME_ABSOLUTE"/><value xsi:type="GLIST_TS">'
            '<head value="20190823074153.000"/><increment value="0.002" unit="s"/></value>'
            f"</sequence></component>{sequences}</sequenceSet></component>"
        )

    beat = series("REPRESENTATIVE_BEAT", np.full((600, 8), MEDIAN))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<AnnotatedECG xmlns="urn:hl7-org:v3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f'<id root="1.2.{ID}"/><text>{REMARK}</text>'
        "<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>"
        f'<id extension="{ID}"/><subjectDemographicPerson><name><family>{NAME}</family>'
        f"<given>{GIVEN}</given></name><birthTime value='19530214'/>"
        "</subjectDemographicPerson></trialSubject></subject></subjectAssignment></componentOf>"
        "</timepointEvent></componentOf>"
        f"<component><series>{series('RHYTHM', signal)}"
        f"<derivation><derivedSeries>{beat}</derivedSeries></derivation>"
        f"<subjectOf><annotationSet><text>{REMARK} {NAME} {STREET}</text></annotationSet>"
        "</subjectOf></series></component></AnnotatedECG>"
    ).encode()


def philips_xml(signal, waveforms=None, attributes=""):
    if waveforms is None:
        waveforms = base64.b64encode(np.ascontiguousarray(counts(signal).T).tobytes()).decode()
    duration = len(signal) * 1000 // RATE
    return (
        '<?xml version="1.0" encoding="UTF-16"?>\n'
        '<restingecgdata xmlns="http://www3.medical.philips.com">'
        "<documentinfo><documentname/><documenttype>SierraECG</documenttype>"
        f"<documentversion>1.03</documentversion></documentinfo>"
        f"<reportinfo date='{DATE}' time='{TIME}'><group>{PLACE}</group></reportinfo>"
        f"<patient><generalpatientdata><patientid>{ID}</patientid><name><lastname>{NAME}"
        f"</lastname><firstname>{GIVEN}</firstname></name><age><dateofbirth>{BORN}</dateofbirth>"
        f"</age></generalpatientdata></patient><dataacquisition date='{DATE}' time='{TIME}'>"
        f"<machine machineid='{ID}'>{DEVICE}</machine><acquirer><operatorid>{NAME}</operatorid>"
        f"<room>{STREET}</room></acquirer><signalcharacteristics><samplingrate>{RATE}"
        "</samplingrate><resolution>5</resolution><numberchannelsallocated>8"
        "</numberchannelsallocated></signalcharacteristics></dataacquisition>"
        f"<interpretations><interpretation><statement><leftstatement>{REMARK}</leftstatement>"
        "</statement></interpretation></interpretations>"
        f"<waveforms><parsedwaveforms dataencoding='Base64' durationperchannel='{duration}' "
        f"leadlabels='{' '.join(LEADS)}' numberofleads='8' {attributes}>{waveforms}"
        "</parsedwaveforms></waveforms></restingecgdata>"
    ).encode("utf-16")


def scp_section(number, body):
    if len(body) % 2:
        body += b"\0"
    head = struct.pack("<HIBB6s", number, len(body) + 16, 13, 13, b"SCPECG")
    content = head + body
    return struct.pack("<H", binascii.crc_hqx(content, 0xFFFF)) + content


def scp_ecg(signal):
    def tag(number, value):
        return struct.pack("<BH", number, len(value)) + value

    text = [
        (0, NAME),
        (1, GIVEN),
        (2, ID),
        (21, PLACE),
        (30, f"{REMARK} {STREET}"),
        (13, REMARK),
    ]
    section1 = b"".join(tag(number, value.encode() + b"\0") for number, value in text)
    section1 += tag(5, struct.pack("<HBB", 1953, 2, 14))
    section1 += tag(25, struct.pack("<HBB", 2019, 8, 23)) + tag(26, bytes((7, 41, 53)))
    section1 += tag(14, bytes(14) + DEVICE.encode()[:6] + bytes(20)) + tag(255, b"")
    codes = (1, 2, 3, 4, 5, 6, 7, 8)  # I, II, V1 to V6
    section3 = bytes((8, 0x04 | 8 << 3))
    section3 += b"".join(struct.pack("<IIB", 1, len(signal), code) for code in codes)
    data = [column.tobytes() for column in counts(signal).T]
    section6 = struct.pack("<HHBB", 5000, 2000, 0, 0)
    section6 += struct.pack("<8H", *map(len, data)) + b"".join(data)
    sections = {1: section1, 3: section3, 6: section6}
    built = {number: scp_section(number, body) for number, body in sections.items()}
    place, pointers = 6 + 16 + 120, []
    for number in range(12):
        length = 136 if number == 0 else len(built.get(number, b""))
        index = 7 if number == 0 else place + 1 if number in built else 0
        pointers.append(struct.pack("<HII", number, length, index))
        place += 0 if number == 0 else length
    content = scp_section(0, b"".join(pointers)) + b"".join(built.values())
    content = struct.pack("<I", len(content) + 6) + content
    return struct.pack("<H", binascii.crc_hqx(content, 0xFFFF)) + content


def ishne(signal):
    remarks = f"{REMARK} {STREET} {NAME}".encode()
    head = bytearray(512)

    def put(place, *values):
        struct.pack_into(f"<{len(values)}h", head, place - 10, *values)

    struct.pack_into("<iiii", head, 0, len(remarks), len(signal), 522, 522 + len(remarks))
    put(26, 1)
    for place, text in ((28, GIVEN), (68, NAME), (108, ID), (232, DEVICE), (274, PLACE)):
        head[place - 10 : place - 10 + len(text)] = text.encode()
    put(128, 2, 1, 14, 2, 1953, 23, 8, 2019, 23, 8, 2019, 7, 41, 53)
    put(156, 8, 5, 6, 11, 12, 13, 14, 15, 16, *([-9] * 4))
    put(182, *([0] * 12), *([5000] * 8 + [-9] * 4))
    put(230, 0)
    put(272, RATE)
    covered = bytes(head) + remarks
    checksum = struct.pack("<H", binascii.crc_hqx(covered, 0xFFFF))
    return b"ISHNE1.0" + checksum + covered + counts(signal).tobytes()


def mfer(signal):
    def definition(tag, value):
        return bytes((tag, len(value))) + value

    def text(tag, value):
        return definition(tag, value.encode())

    waveform = np.ascontiguousarray(counts(signal)).tobytes()
    content = definition(0x40, b"MFR Standard 12 leads ECG".ljust(32))
    content += definition(0x01, b"\1")  # little endian
    content += text(0x81, f"{NAME}^{GIVEN}") + text(0x82, ID) + text(0x16, f"{REMARK} {STREET}")
    content += text(0x17, f"{PLACE}^{DEVICE}")
    content += definition(0x85, struct.pack("<HBBBBBHH", 2019, 8, 23, 7, 41, 53, 0, 0))
    content += definition(0x83, struct.pack("<BHHBB", 66, 0, 1953, 2, 14))
    content += definition(0x08, struct.pack("<H", 1))  # 12-lead ECG
    content += definition(0x0B, bytes((1, 0xFD)) + struct.pack("<H", 2))  # 2 ms
    content += definition(0x0C, bytes((0, 0xFA)) + struct.pack("<H", 5))  # 5 uV
    content += definition(0x05, struct.pack("<I", 8))
    for channel, code in enumerate((1, 2, 3, 4, 5, 6, 7, 8)):
        inner = definition(0x09, struct.pack("<H", code))
        content += bytes((0x3F, channel, len(inner))) + inner
    content += definition(0x04, struct.pack("<I", 1))
    content += definition(0x06, struct.pack("<I", len(signal)))
    content += bytes((0x1E, 0x84)) + struct.pack(">I", len(waveform)) + waveform
    return content + b"\x80\x00"


def kardia_json(signal):
    raw = {
        "frequency": RATE,
        "mainsFrequency": 50,
        "amplitudeResolution": 5000,
        "numLeads": 2,
        "samples": {
            "leadI": counts(signal)[:, 0].tolist(),
            "leadII": counts(signal)[:, 1].tolist(),
        },
    }
    enhanced = raw | {
        "samples": {"leadI": [1400] * len(signal), "leadII": [1400] * len(signal)}
    }
    document = {
        "id": f"rec-{ID}",
        "patientID": ID,
        "recordedAt": f"{DATE}T{TIME}Z",
        "duration": len(signal) * 1000 // RATE,
        "heartRate": 75,
        "note": f"{NAME} {GIVEN} {STREET} {REMARK}",
        "tags": [PLACE],
        "algorithmDetermination": "normal",
        "deviceInfo": {"hardwareType": DEVICE, "serialNumber": ID},
        "data": {"raw": raw, "enhanced": enhanced},
    }
    return json.dumps(document).encode()


BUILD = {
    "muse-xml": (muse_xml, ".xml"),
    "aecg": (aecg, ".xml"),
    "philips-xml": (philips_xml, ".xml"),
    "scp-ecg": (scp_ecg, ".scp"),
    "ishne": (ishne, ".ecg"),
    "mfer": (mfer, ".mwf"),
    "kardia-json": (kardia_json, ".json"),
}
