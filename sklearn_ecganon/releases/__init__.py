"""Original recordings and their releases by an anonymizer or another tool."""

# The functions are for other modules of this package. They are not documented.
from sklearn_ecganon.releases._apply import apply as apply
from sklearn_ecganon.releases._apply import as_beats as as_beats
from sklearn_ecganon.releases._apply import need_two_subjects as need_two_subjects
from sklearn_ecganon.releases._apply import segment_first as segment_first
from sklearn_ecganon.releases._apply import take as take
from sklearn_ecganon.releases._apply import with_fresh_salt as with_fresh_salt
from sklearn_ecganon.releases._release import Release
from sklearn_ecganon.releases._split import SessionSplit
from sklearn_ecganon.releases._split import gallery_probe_split as gallery_probe_split
from sklearn_ecganon.releases._split import session_labels as session_labels

__all__ = ["Release", "SessionSplit"]
