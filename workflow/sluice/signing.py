"""Sign and verify with ``ssh-keygen -Y`` (OpenSSH's SSHSIG), offline."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from sluice.errors import SluiceError

#: What a signature is for: one over a candidate is none over a waiver.
APPROVAL, WAIVER = "sluice-approval", "sluice-waiver"


def bare_key(line: str) -> str:
    """Return type and base-64 body of a public key line, without its comment."""
    return " ".join(line.split()[:2])


def public_key(key_file: Path) -> str:
    """Return the public half of a private key, as type and base-64 body.

    Raises
    ------
    SluiceError
        If the file is missing, is no private key, or can be read by others.
    """
    if not key_file.is_file():
        raise SluiceError("There is no such key file", mend="give the private key with `--key`")
    done = _keygen(["-y", "-f", str(key_file)])
    if done.returncode != 0:
        raise SluiceError(
            "The key file cannot be used",
            mend="give an OpenSSH private key of mode 0600 with `--key`",
        )
    return bare_key(done.stdout.decode())


def sign(message: bytes, key_file: Path, namespace: str = APPROVAL) -> str:
    """Return an armoured signature over ``message``, valid in one namespace only."""
    done = _keygen(["-Y", "sign", "-n", namespace, "-f", str(key_file)], message)
    if done.returncode != 0:
        raise SluiceError(
            "ssh-keygen did not sign", mend="check the passphrase and the mode of the key file"
        )
    return done.stdout.decode()


def is_signed(message: bytes, signature: str, key: str, namespace: str = APPROVAL) -> bool:
    """Tell whether ``signature`` over ``message`` was made with the private half of ``key``."""
    with tempfile.TemporaryDirectory() as folder:
        allowed, armour = Path(folder) / "allowed_signers", Path(folder) / "signature"
        allowed.write_text(f'signer namespaces="{namespace}" {bare_key(key)}\n', encoding="utf-8")
        armour.write_text(signature, encoding="utf-8")
        command = ["-Y", "verify", "-n", namespace, "-I", "signer", "-f", str(allowed)]
        return _keygen([*command, "-s", str(armour)], message).returncode == 0


def fingerprint(key: str) -> str:
    """Return a public key's SHA-256 fingerprint, as ``ssh-keygen -l`` prints it."""
    done = _keygen(["-l", "-f", "-"], key.encode())
    if done.returncode != 0:
        raise SluiceError(
            "A public key cannot be read", where="approvers.yaml", mend="paste the .pub file's line"
        )
    return done.stdout.decode().split()[1]


def _keygen(arguments: list[str], message: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["ssh-keygen", *arguments], input=message, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise SluiceError("ssh-keygen is not installed", mend="install OpenSSH's client") from None
