"""Audits: what a release gives away and what it keeps, as a table, a file, and a page."""

from sklearn_ecganon.report._audit import audit
from sklearn_ecganon.report._exposure import ExposedRelease
from sklearn_ecganon.report._folders import audit_folders
from sklearn_ecganon.report._result import AuditResult
from sklearn_ecganon.report._singling_out import SinglingOut, singling_out
from sklearn_ecganon.report._tables import attributes_of_headers as attributes_of_headers
from sklearn_ecganon.report._verdict import ABOVE as ABOVE
from sklearn_ecganon.report._verdict import BELOW as BELOW
from sklearn_ecganon.report._verdict import MAX_RISK as MAX_RISK
from sklearn_ecganon.report._verdict import MIN_SUBJECTS as MIN_SUBJECTS
from sklearn_ecganon.report._verdict import UNKNOWN as UNKNOWN
from sklearn_ecganon.report._verdict import Decision

__all__ = [
    "AuditResult",
    "Decision",
    "ExposedRelease",
    "SinglingOut",
    "audit",
    "audit_folders",
    "singling_out",
]
