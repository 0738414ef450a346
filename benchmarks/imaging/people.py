"""Invented patients and their visits, the same for the same seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

from benchmarks.imaging import words

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Patient:
    """Who somebody is. ``name`` is a DICOM person name, maybe in several scripts."""

    number: int
    name: str
    charset: str
    mrn: str
    other_id: str
    national_id: str
    born: date
    sex: str
    street: str
    town: str
    phone: str
    email: str
    relative: str
    mother: str
    employer: str
    hospital: str
    root: str

    @property
    def latin(self) -> str:
        """Return the name's first representation."""
        return self.name.split("=")[0]

    @property
    def plain(self) -> str:
        """Return the name as people write it: given, then family."""
        family, given = self.latin.split("^")[:2]
        return f"{given} {family}"

    @property
    def address(self) -> str:
        """Return street and town."""
        return f"{self.street}, {self.town}"


@dataclass(frozen=True)
class Visit:
    """One study of a patient, with those who ordered, did and read it."""

    number: int
    day: date
    clock: str
    accession: str
    study_id: str
    order: str
    admission: str
    referrer: str
    performer: str
    reader: str
    operator: str
    department: str
    station: str
    serial: str
    room: str


def patients(count: int, seed: int) -> list[Patient]:
    """Invent people; no two share a name or a number."""
    rng = random.Random(seed)
    pairs = [(family, given) for family in words.FAMILIES for given in words.GIVEN]
    names = [f"{family}^{given}" for family, given in rng.sample(pairs, count)]
    found = []
    for number in range(count):
        name, charset = names[number], rng.choice(("ISO_IR 100", "ISO_IR 100", "ISO_IR 192", ""))
        if number % 4 == 3:
            name, charset = words.FOREIGN[number // 4 % len(words.FOREIGN)]
        found.append(_patient(number, name, charset, rng))
    return found


def _patient(number: int, name: str, charset: str, rng: random.Random) -> Patient:
    digits = f"{rng.randrange(10**6, 10**7)}{number:03d}"
    mrn = rng.choice((digits, f"MR{digits}", f"{digits[:4]}-{digits[4:]}", f"PX{digits}"))
    oldest = 2018 - (93 if number % 9 == 0 else 20)
    born = date(rng.randint(oldest - (2 if number % 9 == 0 else 55), oldest), 1, 1)
    born += timedelta(days=rng.randrange(365))
    family = rng.choice(words.FAMILIES)
    handle = f"{rng.choice(words.GIVEN)}.{family}{number}".lower().replace("'", "")
    return Patient(
        number=number,
        name=name,
        charset=charset,
        mrn=mrn,
        other_id=f"EXT{rng.randrange(10**7, 10**8)}",
        national_id="-".join(str(rng.randrange(low, 9 * low)) for low in (100, 10, 1000)),
        born=born,
        sex=rng.choice("FM"),
        street=f"{rng.randrange(100, 999)} {rng.choice(words.STREETS)} Crescent",
        town=f"{rng.choice(words.TOWNS)} {rng.randrange(10**4, 10**5)}",
        phone=f"+44 {rng.randrange(1000, 9999)} {rng.randrange(10**5, 10**6)}",
        email=f"{handle}@postbox{number}.example",
        relative=f"{rng.choice(words.GIVEN)} {family}",
        mother=f"{rng.choice(words.FAMILIES)}^{rng.choice(words.GIVEN)}",
        employer=rng.choice(words.EMPLOYERS),
        hospital=rng.choice(words.HOSPITALS),
        root=f"1.3.76.{rng.randrange(10**5, 10**6)}.{number + 1}",
    )


def visits(patient: Patient, count: int, seed: int) -> list[Visit]:
    """Invent visits of a patient, weeks to months apart."""
    rng = random.Random(f"{seed} {patient.number}")
    day = date(2016, 1, 1) + timedelta(days=rng.randrange(700))
    found = []
    for number in range(count):
        family = rng.sample(words.FAMILIES, 4)
        given = rng.sample(words.GIVEN, 4)
        staff = [f"{a}^{b}" for a, b in zip(family, given, strict=True)]
        tail = f"{patient.number:03d}{number}"
        found.append(
            Visit(
                number=number,
                day=day,
                clock=f"{rng.randrange(7, 19):02d}{rng.randrange(60):02d}{rng.randrange(60):02d}",
                accession=f"ACC{rng.randrange(10**4, 10**5)}{tail}",
                study_id=f"ST{rng.randrange(10**3, 10**4)}{tail}",
                order=f"ORD{rng.randrange(10**4, 10**5)}{tail}",
                admission=f"ADM{rng.randrange(10**4, 10**5)}{tail}",
                referrer=staff[0],
                performer=staff[1],
                reader=staff[2],
                operator=staff[3],
                department=rng.choice(words.DEPARTMENTS),
                station=f"{rng.choice(words.DEVICES)}{rng.randrange(10, 99)}",
                serial=f"SN{rng.randrange(10**6, 10**7)}",
                room=f"R{rng.randrange(100, 999)}",
            )
        )
        day += timedelta(days=rng.randint(9, 200))
    return found


def fields(patient: Patient, visit: Visit) -> dict[str, str]:
    """Return the identifiers that templates may name, as a hospital would type them."""
    day, born = visit.day, patient.born
    family = patient.latin.split("^")[0]
    physician = visit.referrer.split("^")
    return {
        "patient": patient.plain,
        "family": family,
        "mrn": patient.mrn,
        "national_id": patient.national_id,
        "address": patient.address,
        "town": patient.town,
        "phone": patient.phone,
        "email": patient.email,
        "relative": patient.relative,
        "employer": patient.employer,
        "hospital": patient.hospital,
        "accession": visit.accession,
        "room": visit.room,
        "physician_family": physician[0],
        "physician_plain": f"{physician[1]} {physician[0]}",
        "iso_date": day.isoformat(),
        "slash_date": f"{day.month:02d}/{day.day:02d}/{day.year}",
        "dot_date": f"{day.day:02d}.{day.month:02d}.{day.year}",
        "long_date": f"{day.day:02d} {_MONTHS[day.month - 1]} {day.year}",
        "birth_date_text": f"{born.day:02d}/{born.month:02d}/{born.year}",
    }
