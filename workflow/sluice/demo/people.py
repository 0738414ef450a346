"""The invented people: who they are, what they agreed to, when they came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from sluice.demo.words import Name, Words
from sluice.resources import resource

CUT_DATE = date(1899, 6, 30)
"""The day that the shipped demo release takes consent and data at."""

_LAST_EVENT = date(1899, 5, 31)
_BANDS = {"young": (24, 38), "middle": (44, 58), "old": (64, 78), "oldest": (84, 92)}
_STRATA = [(band, sex) for band in ("young", "middle", "old") for sex in "FM"]
_SPELLINGS = {"M": ("M", "M", "male", "m", "Male"), "F": ("F", "F", "female", "f", "Female")}
_COUNTRIES = ("US", "US", "USA", "United States", "us")
_DIAGNOSES = {
    "young": ("J45.0", "J45.0", "J45.9", "J45.9", "J44.9", "J84.1"),
    "middle": ("J45.0", "J45.9", "J44.1", "J44.9", "J44.9", "J84.1"),
    "old": ("J45.9", "J44.1", "J44.1", "J44.9", "J84.1", "J84.1"),
    "oldest": ("J44.1", "J44.9"),
}
_SMOKING = {
    "young": ("never", "never", "never", "former", "current"),
    "middle": ("never", "never", "former", "former", "current"),
    "old": ("never", "former", "former", "former", "current"),
    "oldest": ("never", "former"),
}
_DEPARTMENTS = ("Pneumology", "Allergology", "Emergency", "Radiology")
_RESTRICTED = ("CTL", "CTL", "CTL", "CTL", "CTL-NOIMG", "CTL-NOIMG", "gone", "gone", "gone")
_NO_ROW = 2
_REGISTERED_ONLY = 4


@dataclass(frozen=True)
class Visit:
    """One visit of one participant."""

    visit_id: str
    day: date
    department: str
    physician: Name


@dataclass(frozen=True)
class Consent:
    """One row of the consent table."""

    code: str
    signed: date
    withdrawn: date | None = None

    @property
    def registered(self) -> bool:
        """Tell whether records may be in the registered tier at the cut date."""
        withdrawn = self.withdrawn is not None and self.withdrawn <= CUT_DATE
        return self.code in ("PUB", "REG") and not withdrawn


@dataclass(frozen=True)
class Participant:
    """One invented person. ``inflammation`` and ``interferon`` drive labs and expression."""

    mrn: str
    donor_id: str
    name: Name
    birth_date: date
    sex: str
    sex_as_written: str
    street: str
    street_number: int
    postcode: str
    city: str
    country: str
    phone: str
    email: str
    national_id: str
    smoking: str
    height_cm: int
    diagnosis: str
    band: str
    consent: Consent | None
    visits: tuple[Visit, ...]
    inflammation: float
    interferon: float
    in_bulk: bool
    in_cells: bool
    in_imaging: bool


@dataclass(frozen=True)
class Staff:
    """The people and the place behind the records."""

    physicians: tuple[Name, ...]
    operators: tuple[Name, ...]
    institution: str
    institution_street: str
    station: str
    device_serial: str


@dataclass(frozen=True)
class _Draft:
    """What is decided about a person before the details are drawn."""

    band: str
    sex: str
    consent: str


def make_staff(words: Words) -> Staff:
    """Invent the staff of the demo hospital."""
    return Staff(
        physicians=tuple(words.name() for _ in range(9)),
        operators=tuple(words.name() for _ in range(5)),
        institution=words.word(),
        institution_street=words.word(),
        station=words.code("STN"),
        device_serial=words.code("DEV"),
    )


def make_people(
    participants: int, words: Words, staff: Staff, rng: np.random.Generator
) -> list[Participant]:
    """Invent the participants.

    Those whom the registered tier may hold fill six strata of 20-year age band and sex evenly,
    so that k = 12 can be reached; four are older than 80, one of them from a rare country.
    """
    drafts = _drafts(participants)
    dealt = _dealt_values(drafts, rng)
    places = pd.read_csv(resource("demo", "places.csv"), dtype=str)
    chance = places["weight"].astype(float).to_numpy()
    homes = rng.choice(len(places), size=participants, p=chance / chance.sum())
    cells = _cell_donors(drafts)
    people: list[Participant] = []
    for i, draft in enumerate(drafts):
        name, diagnosis = words.name(), dealt[i]["diagnosis"]
        rarest = i == 0
        first = CUT_DATE - timedelta(days=int(rng.integers(300, 1400)))
        home = places.iloc[int(homes[i])]
        people.append(
            Participant(
                mrn=words.code("MRN"),
                donor_id=words.code("DNR"),
                name=name,
                birth_date=date(1803, 1, 17) if rarest else _birth(draft.band, rng),
                sex=draft.sex,
                sex_as_written=str(rng.choice(_SPELLINGS[draft.sex])),
                street=words.word(),
                street_number=int(rng.integers(1, 200)),
                postcode="" if rarest else str(home["postcode"]),
                city="" if rarest else str(home["city"]),
                country="Iceland" if rarest else str(rng.choice(_COUNTRIES)),
                phone=words.phone(),
                email=words.word(),
                national_id=words.code("NID"),
                smoking=dealt[i]["smoking"],
                height_cm=round(rng.normal(164 if draft.sex == "F" else 177, 6)),
                diagnosis=diagnosis,
                band=draft.band,
                consent=_consent(draft.consent, first, rng),
                visits=_visits(first, words, staff, rng),
                inflammation=float(rng.normal() + (0.8 if diagnosis[:3] == "J44" else 0.0)),
                interferon=float(rng.normal() + (0.6 if diagnosis[:3] == "J84" else 0.0)),
                in_bulk=i % 60 != 7,
                in_cells=i in cells,
                in_imaging=rarest or (draft.band in ("middle", "old") and i % 29 != 11),
            )
        )
    return [people[i] for i in rng.permutation(participants)]


def _drafts(participants: int) -> list[_Draft]:
    """Return who is who: the oldest, the restricted, those without a row, then the strata."""
    consents = ["PUB"] * 4 + list(_RESTRICTED) + ["none"] * _NO_ROW
    consents += ["REG"] * _REGISTERED_ONLY + ["later"]
    consents += ["PUB"] * (participants - len(consents))
    drafts = [_Draft("oldest", "MFFM"[i], consents[i]) for i in range(4)]
    for i, consent in enumerate(consents[4:]):
        drafts.append(_Draft(*_STRATA[i % len(_STRATA)], consent))
    return drafts


def _dealt_values(drafts: list[_Draft], rng: np.random.Generator) -> list[dict[str, str]]:
    """Deal diagnoses and smoking like cards, so that every stratum holds each of them."""
    dealt: list[dict[str, str]] = [{} for _ in drafts]
    strata = [(d.band, d.sex, d.consent in ("PUB", "REG")) for d in drafts]
    for stratum in sorted(set(strata)):
        members = [i for i, other in enumerate(strata) if other == stratum]
        for field, decks in (("diagnosis", _DIAGNOSES), ("smoking", _SMOKING)):
            deck = decks[stratum[0]]
            cards = rng.permutation(np.resize(deck, len(members)))
            for i, card in zip(members, cards, strict=True):
                dealt[i][field] = str(card)
    return dealt


def _cell_donors(drafts: list[_Draft]) -> set[int]:
    """Choose 23 donors open to every tier, one for controlled only, one who withdraws later.

    All are of the ages that have images, and of both sexes alike: whoever has cells stands in a
    class of some size.
    """
    imaged = [i for i, d in enumerate(drafts) if d.band in ("middle", "old")]
    chosen: list[int] = []
    for sex, number in (("F", 12), ("M", 11)):
        public = [i for i in imaged if drafts[i].consent == "PUB" and drafts[i].sex == sex]
        chosen += public[:: max(1, len(public) // number)][:number]
    special = [next(i for i in imaged if drafts[i].consent == code) for code in ("CTL", "later")]
    return {*chosen, *special}


def _birth(band: str, rng: np.random.Generator) -> date:
    low, high = _BANDS[band]
    age = int(rng.integers(low, high + 1))
    return date(CUT_DATE.year - age, 6, 1) - timedelta(days=int(rng.integers(0, 330)))


def _consent(code: str, first: date, rng: np.random.Generator) -> Consent | None:
    """Return the consent row that a draft stands for."""
    signed = first - timedelta(days=int(rng.integers(1, 60)))
    if code == "none":
        return None
    if code == "gone":
        return Consent("PUB", signed, date(1899, 1, 3) + timedelta(days=int(rng.integers(0, 90))))
    if code == "later":
        return Consent("PUB", signed, date(1899, 9, 14))
    return Consent(code, signed)


def _visits(first: date, words: Words, staff: Staff, rng: np.random.Generator) -> tuple[Visit, ...]:
    """Return three to six visits from the first day on."""
    span = (_LAST_EVENT - first).days
    later = rng.choice(np.arange(1, span), size=int(rng.integers(2, 6)), replace=False)
    return tuple(
        Visit(
            visit_id=words.code("VIS"),
            day=first + timedelta(days=int(offset)),
            department=str(rng.choice(_DEPARTMENTS)),
            physician=staff.physicians[int(rng.integers(len(staff.physicians)))],
        )
        for offset in (0, *sorted(later))
    )
