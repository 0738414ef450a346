"""Files that intake must refuse and count, each of a kind that people leave in raw folders."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from pathlib import Path

from sluice.demo.canaries import Canaries, Canary
from sluice.demo.people import Participant


def write_hostile(raw: Path, people: list[Participant]) -> Canaries:
    """Write a symbolic link, an archive, a pickle, variants and reads among the real files."""
    (raw / "clinical/latest.csv").symlink_to("patients.csv")
    first, second = people[0], people[1]
    letter = zipfile.ZipInfo("letter.txt", date_time=(1980, 1, 1, 0, 0, 0))
    with zipfile.ZipFile(raw / "imaging/export.zip", "w") as archive:
        archive.writestr(letter, f"Dear {first.name.plain}, {first.mrn}\n")
    notes = {first.donor_id: first.mrn}
    (raw / "singlecell/notes.pkl").write_bytes(pickle.dumps(notes, protocol=4))
    (raw / "bulk/calls.vcf").write_text(
        "##fileformat=VCFv4.2\n"
        f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{second.donor_id}\n"
        "1\t1000\t.\tA\tG\t50\tPASS\t.\tGT\t0/1\n",
        encoding="ascii",
        newline="\n",
    )
    reads = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=reads, mode="wb", mtime=0) as stream:
        stream.write(f"@{second.donor_id}:1\nACGTACGTAC\n+\nIIIIIIIIII\n".encode("ascii"))
    (raw / "bulk/reads_1.fastq.gz").write_bytes(reads.getvalue())
    return [
        Canary("family_name", first.name.family, "imaging/export.zip:letter.txt"),
        Canary("mrn", first.mrn, "imaging/export.zip:letter.txt"),
        Canary("donor_id", first.donor_id, "singlecell/notes.pkl:key"),
        Canary("mrn", first.mrn, "singlecell/notes.pkl:value"),
        Canary("donor_id", second.donor_id, "bulk/calls.vcf:header"),
        Canary("donor_id", second.donor_id, "bulk/reads_1.fastq.gz:read name"),
    ]
