"""What counts as whole, whatever an archive says or leaves out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.dicom.pacs.archive import (
    Instance,
    Keep,
    Listing,
    Patience,
    RefusedError,
    Study,
    UnreachableError,
    checked_uid,
)
from sluice.dicom.pacs.landing import Landing
from sluice.dicom.pacs.pull import Report, pull
from sluice.dicom.pacs.worklist import Key, Worklist
from sluice.errors import SluiceError

STUDY = "1.9.1"


@dataclass
class Fake:
    """An archive in memory. ``listings``: what it lists, one call after the other."""

    answers: list[Study] = field(default_factory=lambda: [Study(STUDY, "A", "P", "")])
    listings: list[Listing] = field(default_factory=list)
    unsent: set[str] = field(default_factory=set)
    breaks: int = 0
    asked: list[tuple[list[str], bool]] = field(default_factory=list)

    def find(self, key: Key, value: str) -> list[Study]:
        return self.answers

    def listing(self, study: str) -> Listing:
        if not self.listings:
            raise RefusedError("out of order")
        return self.listings.pop(0) if len(self.listings) > 1 else self.listings[0]

    def fetch(self, wanted: Sequence[Instance], keep: Keep, whole: bool) -> Counter[str]:
        self.asked.append(([instance.uid for instance in wanted], whole))
        sent = [instance for instance in wanted if instance.uid not in self.unsent]
        if self.breaks:
            self.breaks -= 1
            keep(sent[0], b"x")
            raise UnreachableError("gone")
        for instance in sent:
            keep(instance, b"x")
        return Counter({"not today": len(wanted) - len(sent)})


def listing(*numbers: int, declared: int = 0) -> Listing:
    instances = [Instance(STUDY, f"1.9.1.{n % 2}", f"1.9.1.{n % 2}.{n}") for n in numbers]
    return Listing(tuple(instances), declared)


@pytest.fixture
def landing(tmp_path: Path) -> Iterator[Landing]:
    with Landing.opened(tmp_path / "dst") as opened:
        yield opened


def pulled(fake: Fake, landing: Landing, key: Key = "accession", value: str = "A") -> Report:
    report = Report()
    patience = Patience(3, 0, lambda line: None)
    pull(Worklist(key, {value: 1}, 0), landing, fake, patience, report, lambda line: None)
    return report


def test_a_list_that_is_shorter_than_the_study_s_count_does_not_look_whole(
    landing: Landing,
) -> None:
    """An archive may cut its answers at a limit of its own."""
    report = pulled(Fake(listings=[listing(1, 2, declared=5)]), landing)
    assert (report.studies[0].expected, report.studies[0].received) == (5, 2)
    assert report.missing == 3


def test_an_archive_that_does_not_count_is_held_to_its_list(landing: Landing) -> None:
    report = pulled(Fake(listings=[listing(1, 2, 3)]), landing)
    assert (report.studies[0].expected, report.missing) == (3, 0)


def test_a_study_that_cannot_be_listed_is_missing(landing: Landing) -> None:
    report = pulled(Fake(), landing)
    assert report.missing == 1 and report.studies[0].expected is None
    assert report.studies[0].failures == {"out of order": 1}


def test_a_study_that_grows_while_it_is_fetched_is_fetched_to_its_end(landing: Landing) -> None:
    fake = Fake(listings=[listing(1, 2), listing(1, 2, 3), listing(1, 2, 3)])
    report = pulled(fake, landing)
    assert report.studies[0].changed and report.missing == 0
    assert report.studies[0].received == report.studies[0].new == 3
    assert fake.asked[-1] == (["1.9.1.1.3"], False), "only what lacks, not the whole series"


def test_what_does_not_come_is_asked_for_once_more_and_counted_with_its_reason(
    landing: Landing,
) -> None:
    fake = Fake(listings=[listing(1, 2, 3)], unsent={"1.9.1.1.3"})
    report = pulled(fake, landing)
    assert report.missing == 1 and report.studies[0].failures == {"not today": 1}
    assert sum("1.9.1.1.3" in uids for uids, _ in fake.asked) == 2


def test_after_a_break_only_what_lacks_is_asked_for(landing: Landing) -> None:
    fake = Fake(listings=[listing(1, 3, 5)], breaks=1)
    assert pulled(fake, landing).missing == 0
    assert fake.asked == [
        (["1.9.1.1.1", "1.9.1.1.3", "1.9.1.1.5"], True),
        (["1.9.1.1.3", "1.9.1.1.5"], False),
    ]


def test_breaks_without_an_end_end_the_run_and_the_report_tells_how_far_it_came(
    landing: Landing,
) -> None:
    report, patience = Report(), Patience(3, 0, lambda line: None)
    fake = Fake(listings=[listing(1, 3, 5, 7, 9)], breaks=9)
    with pytest.raises(UnreachableError):
        pull(Worklist("patient", {"P": 1}, 0), landing, fake, patience, report, lambda line: None)
    assert (report.studies[0].received, report.missing, report.finished) == (3, 2, False)


def test_a_study_that_is_answered_twice_is_fetched_once(landing: Landing) -> None:
    twice = [Study(STUDY, "A", "P", ""), Study(STUDY, "A", "P", "")]
    report = pulled(Fake(twice, [listing(1, 2)]), landing)
    assert [study.rows for study in report.studies] == [[1]]


def test_an_answer_to_another_number_is_not_fetched(landing: Landing) -> None:
    fake = Fake([Study("1.9.2", "AB", "P", ""), Study("1.9.3", "a", "P", "")], [listing(1)])
    report = pulled(fake, landing)
    assert (report.unmatched, report.not_asked_for) == ([1], 2)
    assert fake.asked == []


@pytest.mark.parametrize(
    ("owners", "patients"),
    [
        ([("P", ""), ("P", "")], 1),
        ([("P", "north"), ("P", "")], 1),
        ([("P", "north"), ("P", "south")], 2),
        ([("P", "north"), ("Q", "north")], 2),
    ],
)
def test_two_patients_of_one_number_are_not_fetched(
    landing: Landing, owners: list[tuple[str, str]], patients: int
) -> None:
    answers = [Study(STUDY, "A", patient, issuer) for patient, issuer in owners]
    fake = Fake(answers, [listing(1)])
    report = pulled(fake, landing)
    assert report.ambiguous == ([1] if patients > 1 else [])
    assert bool(fake.asked) == (patients == 1)


def test_a_report_holds_no_value(landing: Landing) -> None:
    fake = Fake([Study(STUDY, "KESTREL", "KESTREL", "KESTREL")], [listing(1, 2)])
    report = pulled(fake, landing, value="KESTREL")
    assert report.missing == 0
    assert "KESTREL" not in str(report.as_json()) and STUDY not in str(report.as_json())
    assert "KESTREL" not in repr(fake.answers), "not in a traceback either"


@given(st.text(max_size=70))
def test_only_a_uid_of_an_archive_is_sent_back_to_it(text: str) -> None:
    if set(text) <= set("0123456789.") and 0 < len(text) <= 64:
        assert checked_uid(text) == text
    else:
        with pytest.raises(RefusedError):
            checked_uid(text)


def test_patience_has_an_end_and_waits_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("sluice.dicom.pacs.archive.time.sleep", waits.append)
    patience = Patience(4, 1.5, lambda line: None)
    calls = []

    def broken() -> None:
        calls.append(1)
        raise UnreachableError("gone")

    with pytest.raises(SluiceError):
        patience(broken)
    assert len(calls) == 1, "the first contact is not repeated"
    assert patience(lambda: "met") == "met"
    with pytest.raises(SluiceError):
        patience(broken)
    assert waits == [1.5, 3.0, 6.0] and len(calls) == 5
