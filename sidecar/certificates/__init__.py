"""The command `certificates`: makes CA and serving certificate, keeps them, and renews them long before the end."""

from sidecar.certificates.command import keep, write

__all__ = ["keep", "write"]
