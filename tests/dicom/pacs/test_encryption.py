"""Archives that speak TLS are spoken to if their certificate is trusted."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.dicom.pacs.web import OBJECTS, serving
from tests.dicom.pacs.world import Done, World, accession
from tests.system.orthanc import Orthanc, running


@pytest.fixture(scope="module")
def encrypted(orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """An Orthanc that speaks TLS only, with a certificate of its own."""
    lab = tmp_path_factory.mktemp("tls")
    certify(lab)
    with running(
        lab,
        DicomTlsEnabled=True,
        DicomTlsCertificate=str(lab / "ca.pem"),
        DicomTlsPrivateKey=str(lab / "key.pem"),
        DicomTlsRemoteCertificateRequired=False,
        DicomTlsTrustedCertificates=str(lab / "ca.pem"),
    ) as started:
        for raw in OBJECTS:
            started.add(raw)
        yield started


def certify(lab: Path) -> None:
    """Write a self-signed certificate for localhost."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (lab / "ca.pem").write_bytes(pem)
    (lab / "key.pem").write_bytes(private)


def test_an_encrypted_node_is_spoken_to_and_an_unknown_certificate_refused(
    encrypted: Orthanc, tmp_path: Path
) -> None:
    world = World(tmp_path, encrypted)
    worklist = world.worklist(accession(0, 0))

    def done(**tls: dict[str, str]) -> Done:
        return world.pull(world.connection("dimse", 0, **tls), worklist)

    trusting = done(tls={"ca_file": str(encrypted.lab / "ca.pem")})
    assert trusting.code == 0 and "3 of 3 instances are here" in trusting.said
    certify(tmp_path)
    doubting = done(tls={"ca_file": "ca.pem"})
    assert doubting.code == 2 and "dimse.tls" in doubting.said
    assert len(doubting.said.splitlines()) == 1
    assert done().code == 2, "never without encryption"
    assert "A certificate or key cannot be read" in done(tls={"ca_file": "nowhere.pem"}).said


def test_an_encrypted_service_is_spoken_to_and_an_unknown_certificate_refused(
    lone: World, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())  # requests would prefer it
    lab = tmp_path_factory.mktemp("https")
    certify(lab)
    certify(lone.folder)
    worklist = lone.worklist(accession(0, 0))
    with serving(lambda path, answer: answer) as web:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(lab / "ca.pem", lab / "key.pem")
        web.server.socket = context.wrap_socket(web.server.socket, server_side=True)
        url = web.url.replace("http:", "https:")

        def done(ca_file: Path) -> Done:
            connection = lone.connection("dicomweb", url=url, ca_file=str(ca_file))
            return lone.pull(connection, worklist)

        assert done(lab / "ca.pem").code == 0
        doubting = done(lone.folder / "ca.pem")
    assert doubting.code == 2 and "certificate is not trusted" in doubting.said
    assert "There is no such file (dicomweb.ca_file)" in done(lab / "nowhere.pem").said
