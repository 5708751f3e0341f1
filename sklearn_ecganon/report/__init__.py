"""Audits: what a release gives away and what it keeps, as a table, a file, and a page."""

from sklearn_ecganon.report._audit import audit
from sklearn_ecganon.report._folders import audit_folders
from sklearn_ecganon.report._result import AuditResult

__all__ = ["AuditResult", "audit", "audit_folders"]
