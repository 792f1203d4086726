"""Texts that several responses on the reference page have in common."""

from __future__ import annotations

NORMAL = (
    "CAStatusCode(name='ECA_NORMAL', code=0, code_with_severity=1, "
    "severity=<CASeverity.SUCCESS: 1>, success=1, defunct=False, "
    "description='Normal successful completion')"
)
