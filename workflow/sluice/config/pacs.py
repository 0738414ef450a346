"""``pacs.yaml``: where a picture archive is and how it is spoken to. Secrets lie beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import Field, model_validator

from sluice.config.loader import Model, parse, read_yaml

_AE = r"^[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?$"


class Dicomweb(Model):
    """The archive's DICOMweb service (QIDO-RS, WADO-RS, STOW-RS). A user or a token, not both."""

    url: str = Field(
        pattern=r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$",
        description="Root of the service, as in https://pacs.example.org/dicom-web",
    )
    user: str | None = Field(default=None, description="User, if the service asks for one")
    password_file: Path | None = Field(
        default=None, description="File of mode 0600 that holds the user's password"
    )
    token_file: Path | None = Field(
        default=None, description="File of mode 0600 that holds a bearer token"
    )
    ca_file: Path | None = Field(
        default=None,
        description="Certificates to trust (PEM), if those of public authorities do not do",
    )

    @model_validator(mode="after")
    def _one_secret(self) -> Dicomweb:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password_file belong together")
        if self.user is not None and self.token_file is not None:
            raise ValueError("either a user or a token")
        return self


class Tls(Model):
    """How a DIMSE connection is encrypted. The archive's certificate must name its host."""

    ca_file: Path = Field(description="Certificates to trust (PEM)")
    cert_file: Path | None = Field(default=None, description="Own certificate (PEM), if asked for")
    key_file: Path | None = Field(default=None, description="Its key (PEM), mode 0600")

    @model_validator(mode="after")
    def _pair(self) -> Tls:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        return self


class Dimse(Model):
    """The archive's classic DICOM node (C-FIND, C-GET)."""

    host: str = Field(pattern=r"^[A-Za-z0-9.:_-]+$", description="Name or address")
    port: int = Field(ge=1, le=65535, description="Port, often 104 or 11112")
    called_ae: str = Field(pattern=_AE, description="The archive's AE title")
    calling_ae: str = Field(pattern=_AE, description="Our AE title, as the archive knows it")
    tls: Tls | None = Field(default=None, description="Without it, nothing is encrypted")


class Pacs(Model):
    """One archive: ``dicomweb`` or ``dimse``, exactly one."""

    dicomweb: Dicomweb | None = Field(default=None, description="Spoken to by DICOMweb")
    dimse: Dimse | None = Field(default=None, description="Spoken to by DIMSE")
    attempts: int = Field(
        default=5, ge=1, le=20, description="Tries of a request whose connection breaks"
    )
    wait_seconds: float = Field(
        default=2.0, ge=0, le=60, description="Wait before the second try; doubled each time"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Pacs:
        if (self.dicomweb is None) == (self.dimse is None):
            raise ValueError("exactly one of dicomweb and dimse")
        return self


S = TypeVar("S", Dicomweb, Tls)


def load_pacs(file: Path) -> Pacs:
    """Load a connection; relative paths in it start at its folder.

    Raises
    ------
    SluiceError
        With file, key and mend, for anything missing or wrong.
    """
    pacs = parse(Pacs, read_yaml(file), file.name)
    if pacs.dicomweb:
        return pacs.model_copy(update={"dicomweb": _beside(file, pacs.dicomweb)})
    if pacs.dimse and pacs.dimse.tls:
        dimse = pacs.dimse.model_copy(update={"tls": _beside(file, pacs.dimse.tls)})
        return pacs.model_copy(update={"dimse": dimse})
    return pacs


def _beside(file: Path, section: S) -> S:
    paths = {key: value for key, value in section if isinstance(value, Path)}
    return section.model_copy(
        update={key: file.parent / path.expanduser() for key, path in paths.items()}
    )
