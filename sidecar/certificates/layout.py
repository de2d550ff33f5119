"""Which key of which Secret holds what.

The serving Secret is the one that the servers mount: `tls.crt`, `tls.key`, and `ca.crt`, all CAs that are published.
The other, `NAME-ca`, is mounted by nobody: `ca.key` can sign for any name that an API server trusts this CA for.
Its `ca.crt` begins with the certificate of that key.
"""

from collections.abc import Iterable, Mapping, Sequence

from cryptography.x509 import Certificate

from sidecar.certificates.issuing import Issued, pem, read_certificates, read_issued
from sidecar.certificates.renewal import Held

Data = Mapping[str, bytes]


def authority_name(serving_name: str) -> str:
    """The name of the Secret with the CA's key."""
    return f"{serving_name}-ca"


def read(authority: Data, serving: Data, ca_bundles: Sequence[bytes] | None) -> Held:
    """The data of both Secrets (empty: there is none) and the caBundles, read. What cannot be read is not there."""
    authorities = read_certificates(authority.get("ca.crt", b""))
    return Held(
        authority=read_issued(authorities, authority.get("ca.key", b"")),
        authorities=authorities,
        serving=read_issued(read_certificates(serving.get("tls.crt", b"")), serving.get("tls.key", b"")),
        published=read_certificates(serving.get("ca.crt", b"")),
        trusted=None if ca_bundles is None else tuple(read_certificates(each) for each in ca_bundles),
    )


def authority_data(authority: Issued, others: Iterable[Certificate]) -> dict[str, bytes]:
    """The CA that signs, its key, and the CAs that stay published."""
    return {"ca.crt": pem((authority.certificate, *others)), "ca.key": authority.key_pem()}


def serving_data(serving: Issued, bundle: Iterable[Certificate]) -> dict[str, bytes]:
    """What the servers present, and by which CAs one may know them."""
    return {"tls.crt": serving.certificate_pem(), "tls.key": serving.key_pem(), **published_data(bundle)}


def published_data(bundle: Iterable[Certificate]) -> dict[str, bytes]:
    """The CAs alone."""
    return {"ca.crt": pem(bundle)}
