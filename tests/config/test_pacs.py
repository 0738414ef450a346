"""A connection file is read strictly, and holds no secret itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.config.pacs import Pacs, load_pacs
from sluice.errors import SluiceError

WEB = "dicomweb:\n  url: https://pacs.example.org/dicom-web\n"
DIMSE = "dimse: {host: pacs, port: 104, called_ae: MAIN, calling_ae: SLUICE}\n"


def load(folder: Path, text: str) -> Pacs:
    (folder / "pacs.yaml").write_text(text)
    return load_pacs(folder / "pacs.yaml")


def test_either_protocol_is_read(tmp_path: Path) -> None:
    web, dimse = load(tmp_path, WEB).dicomweb, load(tmp_path, DIMSE).dimse
    assert web and web.url == "https://pacs.example.org/dicom-web" and web.user is None
    assert dimse and (dimse.port, dimse.called_ae, dimse.tls) == (104, "MAIN", None)


def test_paths_start_at_the_file_s_folder(tmp_path: Path) -> None:
    web = load(tmp_path, WEB + "  token_file: secret/token\n  ca_file: /etc/ca.pem\n").dicomweb
    assert web and web.token_file == tmp_path / "secret/token"
    assert web.ca_file == Path("/etc/ca.pem")
    dimse = load(tmp_path, DIMSE.replace("}", ", tls: {ca_file: ca.pem}}")).dimse
    assert dimse and dimse.tls and dimse.tls.ca_file == tmp_path / "ca.pem"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (WEB + DIMSE, "exactly one of dicomweb and dimse"),
        ("attempts: 3\n", "exactly one of dicomweb and dimse"),
        (WEB + "  password: x\n", "did you mean `password_file`"),
        (WEB + "  user: u\n", "user and password_file belong together"),
        (WEB + "  user: u\n  password_file: p\n  token_file: t\n", "either a user or a token"),
        ("dicomweb: {url: ftp://pacs}\n", "key `dicomweb.url`"),
        ("dicomweb: {url: 'https://u:secret@pacs/x'}\n", "key `dicomweb.url`"),
        (DIMSE.replace("104", "70000"), "key `dimse.port`"),
        (DIMSE.replace("MAIN", "'A\\B'"), "key `dimse.called_ae`"),
        (DIMSE.replace("MAIN", "LONGERTHANSIXTEEN"), "key `dimse.called_ae`"),
        (WEB + WEB, "A key stands twice"),
        (DIMSE.replace("}", ", tls: {ca_file: c, key_file: k}}"), "belong together"),
        (WEB + "attempts: 0\n", "key `attempts`"),
    ],
)
def test_anything_odd_is_refused_without_showing_it(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SluiceError) as error:
        load(tmp_path, text)
    assert said in str(error.value) and "secret" not in str(error.value)
