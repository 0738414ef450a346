"""Who is who: keys, subjects, pseudonyms, date shifts, and the vault that keeps them."""

from sluice.identity.pseudonyms import (
    Pseudonyms,
    date_shift,
    new_uid,
    person_id,
    sample_id,
    subject_id,
)
from sluice.identity.vault import Vault, refuse_git_tree, refuse_shared

__all__ = [
    "Pseudonyms",
    "Vault",
    "date_shift",
    "new_uid",
    "person_id",
    "refuse_git_tree",
    "refuse_shared",
    "sample_id",
    "subject_id",
]
