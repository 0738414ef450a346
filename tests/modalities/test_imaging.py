from __future__ import annotations

import shutil

import pandas as pd
import pydicom
import pytest
from tests.modalities.imaging_lab import PARTS, SETTINGS, lab, raw_lab

from sluice.dicom import renew
from sluice.dicom.scan import scan_bytes
from sluice.errors import SluiceError
from sluice.files import read_json
from sluice.modalities.imaging.contribute import contribute
from sluice.modalities.imaging.describe import describe
from sluice.modalities.imaging.shown import shown
from sluice.release.decode import decode
from sluice.release.dictionary import check_rows, columns_of

__all__ = ["lab", "raw_lab"]

# A machine's identity may stay, a shifted date may equal another's, pixels are read by nobody here.
NO_NEEDLES = {"event_date", "burned_in"}
TIERS = ("controlled", "registered")
_NOBODY = "MRN0,1895-01-01,PUB,\n"


@pytest.fixture(scope="session")
def needles(lab):
    places = {c.value for c in lab.canaries if c.kind not in NO_NEEDLES and "imaging/" in c.place}
    return [value.encode() for value in sorted(places)]


@pytest.fixture(scope="session")
def scores(lab):
    return {tier: lab.scores(tier) for tier in TIERS}


@pytest.fixture(scope="session")
def weak(raw_lab, tmp_path_factory):
    """Controlled under a policy that keeps sex, age and size in the headers."""
    lab = raw_lab.copy(tmp_path_factory.mktemp("weak") / "lab")
    place = ("tiers", "controlled", "modalities", "imaging", "settings")
    settings = lab.config.policy.tiers["controlled"].modalities["imaging"].settings
    options = [*settings["options"], "retain_patient_characteristics"]
    lab.amend("policies/demo.yaml", {"options": options, "sex": True}, *place)
    lab.intake()
    lab.curate()
    lab.build("controlled")
    return lab


def test_what_must_not_go_on_is_quarantined_with_its_reason(lab):
    manifest = lab.manifest().set_index("path")
    hostile = manifest[manifest.index.str.startswith("imaging/box99/")]
    reasons = {path.split("/")[-1]: row.reason for path, row in hostile.iterrows()}
    assert set(hostile["status"]) == {"quarantined"}
    assert reasons == {
        "note.txt": "A file is not DICOM",
        "cut.dcm": "A DICOM file ends early",
        "copy.dcm": "a copy of another file",
        "nobody.dcm": "no participant",
        "anonymous.dcm": "no study or series",
        "mixed1.dcm": "two participants in one study",
        "mixed2.dcm": "two participants in one study",
        "twice1.dcm": "one SOP instance with two contents",
        "twice2.dcm": "one SOP instance with two contents",
    }
    others = manifest.drop(hostile.index)
    assert set(others["status"]) == {"taken"}
    assert not set(hostile["file_id"]) & set(lab.tables("curate", "instances")["file_id"])


def test_a_participant_whom_no_link_knows_is_quarantined(raw_lab, tmp_path):
    lab = raw_lab.copy(tmp_path / "lab")
    place = ("modalities", "imaging", "sources", "0")
    lab.amend("cohorts/demo.yaml", {"alias": "donor_id"}, *place)
    counts = lab.intake()
    assert counts["files taken"] == 0
    assert counts["files quarantined: unknown participant"] > 100
    assert len(pd.read_parquet(lab.config.layout.part_list("imaging", PARTS[0]))) == 0


def test_every_element_is_inventoried_and_no_value_of_it(lab):
    path = lab.config.layout.intake("imaging") / "inventory.parquet"
    table = pd.read_parquet(path).set_index("field")
    assert table.loc["(0010,1002)[]/(0010,0020)", "role"] == "direct"
    assert table.loc['(0019,"SIEMENS MR HEADER",0C)', "role"] == "linkage"
    assert table["unique_share"]["(0008,0018)"] > 0.9
    pixels = "(7FE0,0010)"
    assert (table["role"][pixels], table["suggested_role"][pixels]) == ("safe", "linkage")
    texts = " ".join(decode(path).texts)
    assert not [c for c in lab.canaries if c.value in texts]


def test_the_vault_learns_every_identifier_and_no_machine(lab):
    known = " ".join(lab.people()["value"]).casefold()
    kinds = {"family_name", "given_name", "mrn", "accession", "study_id", "phone", "national_id"}
    kinds |= {"street", "institution", "physician", "study_uid", "series_uid", "sop_uid"}
    planted = [c for c in lab.canaries if "imaging/" in c.place and "/box" in c.place]
    assert not [c.kind for c in planted if c.kind in kinds and c.value.casefold() not in known]
    assert not [c for c in planted if c.kind == "device" and c.value.casefold() in known]
    assert "siemens" not in known


def test_a_study_lies_in_one_part_whatever_other_files_there_are(lab, tmp_path):
    instances = lab.tables("curate", "instances").merge(lab.manifest()[["file_id", "part"]])
    assert instances.groupby("study")["part"].nunique().max() == 1
    assert set(instances["part"]) == set(PARTS)
    other = lab.copy(tmp_path / "lab")
    gone = sorted((other.imaging / "box01").iterdir())[5:10]
    for study in gone:
        shutil.rmtree(study)
    other.intake()
    before, after = (world.manifest().set_index("path") for world in (lab, other))
    assert before.loc[after.index, ["file_id", "part"]].equals(after[["file_id", "part"]])


def test_curated_tables_name_nobody(lab):
    for path in sorted((lab.config.layout.base / "curate").rglob("*.parquet")):
        texts = " ".join(decode(path).texts)
        direct = [c for c in lab.canaries if c.kind not in {"event_date", "device"}]
        assert not [c.kind for c in direct if c.value in texts]


def test_only_eligible_objects_of_consenting_people_are_selected(lab):
    counts = lab.minimize("controlled")
    assert counts["instances without consent dropped"] > 0
    for reason in ("face_needs_defacing", "kind_us", "kind_sc", "kind_document"):
        assert counts[f"instances excluded: {reason}"] > 0
    assert counts["instances excluded: burned_in_annotation"] == 1
    assert {o.Modality for o in lab.objects("controlled")} == {"CT", "MR", "DX", "SR"}
    assert {o.Modality for o in lab.objects("registered")} == {"CT", "MR", "DX"}


@pytest.mark.parametrize("tier", TIERS)
def test_identifiers_are_found_in_every_raw_object_and_in_no_released_one(lab, needles, tier):
    assert all(scan_bytes(path, needles) for path in sorted(lab.imaging.glob("box01/*/*.dcm"))[:20])
    files = lab.released(tier)
    assert len(files) > 60
    assert not [path.name for path in files if scan_bytes(path, needles)]


def test_dates_move_by_the_one_shift_of_the_participant(lab):
    maps, shifts = lab.job("apply", "controlled").pseudonyms(), {}
    raw = {o["SOPInstanceUID"].value: o for o in map(pydicom.dcmread, lab.imaging.rglob("*.dcm"))}
    links = lab.crosswalk("controlled")
    subjects = links.drop_duplicates("person").set_index("person")["subject"]
    originals = links.set_index("new")["original"]
    for new in lab.objects("controlled"):
        old = raw[originals[new.SOPInstanceUID]]
        moved = (pd.Timestamp(new.StudyDate) - pd.Timestamp(old.StudyDate)).days
        shifts[new.PatientID] = moved
        assert moved == maps.shift(subjects[new.PatientID])
        assert new.StudyTime == "000000"
    assert len(set(shifts.values())) > 10
    assert min(map(abs, shifts.values())) >= 30


def test_registered_holds_no_date_and_manufacturers_only(lab):
    for new in lab.objects("registered"):
        assert not new.StudyDate
        assert not new.StudyTime
        assert new.Manufacturer == "SIEMENS"
        assert "DeviceSerialNumber" not in new
        assert "StudyDescription" not in new or new.StudyDescription == ""


def test_registered_comes_from_controlled_and_shares_no_identifier_with_it(lab):
    below, above = lab.crosswalk("controlled"), lab.crosswalk("registered")
    assert set(above["subject"]) <= set(below["person"])
    assert set(above.loc[above["kind"] == "uid", "original"]) <= set(below["new"])
    assert not set(above["new"]) & {*below["new"], *below["original"]}
    pixels = {o.PixelData for o in lab.objects("controlled") if "PixelData" in o}
    assert all(o.PixelData in pixels for o in lab.objects("registered"))


@pytest.mark.parametrize("tier", TIERS)
def test_references_lead_to_the_new_identifiers(lab, tier):
    objects = {o.SOPInstanceUID: o for o in lab.objects(tier)}
    links = lab.crosswalk(tier)
    assert links.groupby("original")["new"].nunique().max() == 1
    referred = [
        item.ReferencedSOPInstanceUID
        for o in objects.values()
        for item in o.get("ReferencedImageSequence", [])
    ]
    assert len(referred) > 20
    assert set(referred) <= set(links["new"])
    assert sum(uid in objects for uid in referred) > 20


@pytest.mark.parametrize("tier", TIERS)
def test_each_object_says_whose_and_of_which_release_it_is(lab, tier):
    people = set(lab.crosswalk(tier).query("kind == 'person'")["new"])
    for path in lab.released(tier):
        new = pydicom.dcmread(path)
        assert list(new.DeidentificationMethod) == ["SLUICE", "demo", "2026q1", tier]
        assert new.PatientID in people
        place = (new.PatientID, new.StudyInstanceUID, new.SeriesInstanceUID)
        assert path.parts[-4:] == (*place, f"{new.SOPInstanceUID}.dcm")
    assert all(len(file["content"]) == 64 for file in lab.index(tier))


def test_a_suppressed_participant_has_no_images(lab):
    facts = pd.read_parquet(lab.config.layout.plan_people("controlled"))
    gone = set(facts.loc[~facts["kept"], "subject"])
    assert len(gone) == 1
    links = lab.crosswalk("controlled")
    assert not gone & set(links["subject"])
    assert set(facts["subject"]) - gone == set(links["subject"])


def test_the_same_inputs_give_the_same_bytes(lab, tmp_path):
    other = lab.copy(tmp_path / "lab")
    other.apply("controlled")
    assert other.index("controlled") == lab.index("controlled")


def test_a_product_that_is_off_leaves_nothing_and_is_not_scored(lab, tmp_path):
    other = lab.copy(tmp_path / "lab")
    other.plan("registered", product="off")
    other.apply("registered")
    assert other.index("registered") == []
    assert other.crosswalk("registered").empty
    assert other.scores("registered") == {}
    assert describe(other.job("bundle", "registered")) == []


def test_an_object_that_cannot_be_written_is_counted_and_the_others_go_on(
    lab, tmp_path, monkeypatch
):
    other, real, calls = lab.copy(tmp_path / "lab"), renew._stored, []

    def fails_once(target, pieces):
        calls.append(target)
        if len(calls) == 1:
            raise ValueError("with a name in it")
        return real(target, pieces)

    monkeypatch.setattr(renew, "_stored", fails_once)
    counts = other.apply("controlled")
    assert counts["instances quarantined: it cannot be written"] == 1
    assert counts["instances released"] == len(other.released("controlled")) == len(calls) - 1


def test_a_file_that_changed_after_intake_stops_the_run(lab, tmp_path):
    other = lab.copy(tmp_path / "lab")
    taken = other.manifest().query("status == 'taken'")
    for name in taken["path"]:
        path = other.folder / "raw/demo" / name
        path.write_bytes(path.read_bytes() + b"\0\0")
    with pytest.raises(SluiceError, match="changed since intake"):
        other.apply("controlled")


@pytest.mark.parametrize("tier", TIERS)
def test_the_attacks_work_on_raw_and_fail_on_the_release(lab, scores, tier):
    found = scores[tier]
    residual, linkage = found["residual"], found["header_linkage"]
    assert (residual.upper, residual.evidence) == (0, {"raw": 1.0, "works": True})
    assert residual.detail["files"] == len(lab.released(tier))
    assert linkage.evidence["works"]
    assert linkage.upper < linkage.evidence["raw"] / 2
    assert not {"sex", "age", "height"} & set(linkage.detail["told"])
    assert found["pixel_digest"].estimate == 1.0
    assert {"region", "image_modality", "studies"} <= set(found["header_classes"].detail["told"])
    assert found["image_utility"].lower > 0.5


def test_a_policy_that_keeps_sex_and_age_is_caught_by_linkage(scores, weak):
    strict = scores["controlled"]["header_linkage"]
    caught = weak.scores("controlled")["header_linkage"]
    assert {"sex", "age", "height"} <= set(caught.detail["told"])
    assert caught.lower > strict.upper
    alone = [
        s["header_classes"].detail["unique"]
        for s in (weak.scores("controlled"), scores["controlled"])
    ]
    assert alone[0] > 2 * alone[1]


def test_an_identifier_that_was_left_is_found(lab, tmp_path):
    other = lab.copy(tmp_path / "lab")
    path = other.released("controlled")[0]
    leaky = pydicom.dcmread(path)
    subjects = other.crosswalk("controlled").set_index("person")["subject"]
    known = other.people().query("kind == 'name'").set_index("subject")["value"]
    leaky.ImageComments = f"as {known[subjects[leaky.PatientID].iloc[0]].iloc[0]} asked"
    leaky.save_as(path)
    assert other.scores("controlled")["residual"].estimate >= 1


@pytest.mark.parametrize("tier", TIERS)
def test_the_dictionary_holds_every_element_and_nothing_else(lab, tier):
    rows = [{k: str(v) for k, v in row.items()} for row in describe(lab.job("bundle", tier))]
    folder = lab.config.layout.data(tier, "imaging", PARTS[0]).parent
    names = {f"data/imaging/{p.relative_to(folder)}": columns_of(p) for p in lab.released(tier)}
    assert len(names) > 60
    check_rows(rows, names)


def test_where_nobody_consented_every_stage_leaves_valid_empty_files(lab, tmp_path):
    other = lab.copy(tmp_path / "lab")
    consent = other.folder / "raw/demo/clinical/consent.csv"
    consent.write_text("".join(consent.read_text().splitlines(keepends=True)[:1]) + _NOBODY)
    other.intake()
    for tier in TIERS:
        other.minimize(tier)
        assert other.plan(tier).empty
        plan = read_json(other.config.layout.plan(tier))
        assert "studies" in plan["modalities"]["imaging"]["refused"]
        other.apply(tier)
        assert other.index(tier) == []
        assert set(other.scores(tier)) == {"image_utility"}
    other.minimize("public")
    frame = contribute(other.job("minimize", "public"))["image_counts"]
    assert frame.to_numpy().tolist() == [["none", "none"]]


def test_everyone_with_a_selected_object_has_a_fact(lab):
    facts = lab.plan("controlled")
    selected = lab.tables("controlled/minimize", "instances")
    assert set(facts["subject"]) == set(selected["subject"])
    wide = facts.pivot(index="subject", columns="attribute", values="value")
    assert set(wide) == {"studies", "objects", "image_modality", "region", "device"}
    assert set(wide["studies"]) == {"1", "2"}
    assert set(wide["device"]) == {"SIEMENS"}


@pytest.mark.parametrize("tier", TIERS)
def test_the_candidate_shows_what_the_facts_say(lab, tier):
    assert _shown(lab, tier).equals(_facts(lab, tier, _shown(lab, tier).index))


def test_later_studies_do_not_leave_and_are_no_facts(lab, tmp_path):
    other = lab.copy(tmp_path / "lab")
    other.amend("policies/demo.yaml", {"max_studies": 1}, *SETTINGS)
    facts = other.plan("controlled")
    selected = other.tables("controlled/minimize", "instances")
    assert selected.groupby("subject")["study"].nunique().max() > 1
    assert set(facts.loc[facts["attribute"] == "studies", "value"]) == {"1"}
    other.apply("controlled")
    seen = _shown(other, "controlled")
    assert set(seen.xs("studies", level="attribute")) == {"1"}
    assert seen.equals(_facts(other, "controlled", seen.index))


def _shown(lab, tier):
    """What the candidate shows, by subject and attribute."""
    links = lab.crosswalk(tier).drop_duplicates("person").set_index("person")["subject"]
    seen = shown(lab.job("score", tier))
    seen["subject"] = seen["subject"].map(links)
    assert len(seen)
    return seen.set_index(["subject", "attribute"])["value"].sort_index()


def _facts(lab, tier, index):
    return lab.plan(tier).set_index(["subject", "attribute"])["value"].loc[index]


def test_each_consenting_participant_adds_one_pair_of_the_domain(lab):
    job = lab.job("minimize", "public")
    frame = contribute(job)["image_counts"]
    domains = job.settings.products["image_counts"].settings["domains"]
    consent = pd.read_parquet(lab.config.layout.consent / "consent.parquet")
    consenting = consent.query("tier == 'public' and modality == 'imaging' and allowed")
    assert frame.index.is_unique
    assert set(frame.index) == set(consenting["subject"])
    for name, values in domains.items():
        assert set(frame[name]) <= set(values)
    assert {"CT", "MR", "none"} <= set(frame["image_modality"])
    assert (frame["image_modality"].eq("none") == frame["region"].eq("none")).all()
