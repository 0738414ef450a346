"""Writing and reading files so that the same values give the same bytes, whole or not at all.

Tables are in :mod:`sluice.files.tables`, apart: a command that has none need not load pandas.
"""

from sluice.files.atomic import replacing_file, replacing_folder
from sluice.files.digests import canonical_json, folder_index, sha256_file, sha256_json
from sluice.files.formats import read_json, write_json, write_text

__all__ = [
    "canonical_json",
    "folder_index",
    "read_json",
    "replacing_file",
    "replacing_folder",
    "sha256_file",
    "sha256_json",
    "write_json",
    "write_text",
]
