"""Parts of beats that an anonymizer can leave unchanged, such as the QRS complex."""

from sklearn_ecganon.regions._qrs import QRSRegion

__all__ = ["QRSRegion"]
