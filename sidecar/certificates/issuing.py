"""Making certificates and reading them. No files, no cluster; the clock is an argument.

EC P-256: every TLS library of the last decade has it, and a handshake costs the server a tenth of RSA's time. The
extensions are those that Python 3.13 and OpenSSL's strict mode ask for (RFC 5280, section 4.2.1).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sidecar.certificates.names import Name

AUTHORITY_LIFE = timedelta(days=3 * 365)
"""A new CA is one more certificate in every caBundle, and the rare part of the machinery: every two and a half years
(see `renewal`) it is still remembered by somebody, and its key is not of use for ever."""

SERVING_LIFE = timedelta(days=90)
"""As public CAs give: a key that got out is soon worth nothing, and a renewal that no longer works is noticed while
those who set it up are still there."""

# A clock may be this much behind ours and still take the certificate: as kubeadm and the signers of
# kube-controller-manager do it (k8s.io/kubernetes, CertificateBackdate).
_BACKDATED = timedelta(minutes=5)


@dataclass(frozen=True)
class Issued:
    """A certificate and the key that belongs to it. No repr shows the key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def certificate_pem(self) -> bytes:
        """The certificate as text."""
        return pem((self.certificate,))

    def key_pem(self) -> bytes:
        """The key as text, not encrypted: who may read it is for the place where it is kept."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def new_authority(now: datetime) -> Issued:
    """A CA that signs itself. Its name has part of its key's number, so that no two are mistaken for one another."""
    key = ec.generate_private_key(ec.SECP256R1())
    number = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    name = _common_name(f"billing-sidecar CA {number.digest[:4].hex()}")
    # Path length 0: it signs servers and no further CA.
    what = x509.BasicConstraints(ca=True, path_length=0)
    built = _begun(name, name, key, now, now + AUTHORITY_LIFE, what, _usage(signs=True))
    return Issued(built.add_extension(_issuer_number(number), critical=False).sign(key, hashes.SHA256()), key)


def new_serving(authority: Issued, names: Iterable[Name], now: datetime) -> Issued:
    """A server's certificate for these names, with a key of its own; it ends before its CA does at the latest."""
    key = ec.generate_private_key(ec.SECP256R1())
    ca = authority.certificate
    end = min(now + SERVING_LIFE, ca.not_valid_after_utc)
    number = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    what = x509.BasicConstraints(ca=False, path_length=None)
    built = _begun(_common_name("billing-sidecar"), ca.subject, key, now, end, what, _usage(signs=False))
    alternatives = [_general(name) for name in sorted(names, key=str)]
    return Issued(
        built.add_extension(_issuer_number(number), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority.key, hashes.SHA256()),
        key,
    )


def pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """The certificates as text, one after the other."""
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def read_certificates(text: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates in a text; none if there is none in it, or one that cannot be read."""
    try:
        return tuple(x509.load_pem_x509_certificates(text))
    except ValueError:
        return ()


def read_issued(certificates: Sequence[x509.Certificate], key: bytes) -> Issued | None:
    """The first certificate, if this is its key, and a key as we make them."""
    try:
        read = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        return None
    if not certificates or not isinstance(read, ec.EllipticCurvePrivateKey):
        return None
    return Issued(certificates[0], read) if read.public_key() == certificates[0].public_key() else None


def signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether this CA has signed it."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):  # another's name, a kind of key that does not sign, a forgery
        return False
    return True


def valid_at(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether it has begun and not ended."""
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def names_of(certificate: x509.Certificate) -> frozenset[Name]:
    """The DNS names and addresses that it bears."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    addresses = found.get_values_for_type(x509.IPAddress)
    return frozenset((*found.get_values_for_type(x509.DNSName), *addresses))  # type: ignore[arg-type] # no networks


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    end: datetime,
    what: x509.BasicConstraints,
    usage: x509.KeyUsage,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(end)
        .add_extension(what, critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    """A CA signs certificates and revocations; a server its handshakes."""
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _issuer_number(number: x509.SubjectKeyIdentifier) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(number)


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(name: Name) -> x509.GeneralName:
    return x509.DNSName(name) if isinstance(name, str) else x509.IPAddress(name)
