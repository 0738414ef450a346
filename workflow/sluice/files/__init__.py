"""Writing and reading files so that the same values give the same bytes, whole or not at all."""

from sluice.files.atomic import replacing_file, replacing_folder
from sluice.files.digests import (
    canonical_json,
    content_digest,
    folder_index,
    sha256_file,
    sha256_json,
)
from sluice.files.formats import (
    column_types,
    read_json,
    read_table,
    write_json,
    write_table,
    write_text,
)

__all__ = [
    "canonical_json",
    "column_types",
    "content_digest",
    "folder_index",
    "read_json",
    "read_table",
    "replacing_file",
    "replacing_folder",
    "sha256_file",
    "sha256_json",
    "write_json",
    "write_table",
    "write_text",
]
