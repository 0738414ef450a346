"""People, places and phrases of an invented hospital, written for the benchmark alone.

In a template, ``[...]`` is what a good curator keeps, ``{...}`` is an identifier, and the rest is
neither asked to stay nor to go.
"""

from __future__ import annotations


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Some are words of anatomy or imaging, as real names are.
FAMILIES = _listed("""
Abernathy Achterberg Agnarsson Aldersley Bakkerud Balogun Bartholdy Beauregard Bielawski Bone
Brannigan Brodziak Cavendish Chakrabarti Chukwuemeka Corrigan Crabtree Dalgaard Delacroix Dimopoulos
Drummond Dvoracek Eastwick Eriksdotter Fairweather Fernsby Fitzwilliam Foot Forsythe Gallowglass
Giannopoulos Goldfarb Gray Gudmundsson Hand Hathersage Haverkamp Hjelmstad Iannucci Ingelbrecht
Jankowiak Kaczorowski Kilbride Kirkegaard Kowalewski Krzeminski Lindqvist Llewellyn Long Lovelock
Maczkowska Marchetti Mbeki-Dlamini McGillicuddy Montefiore Nakashima Nwachukwu O'Shaughnessy
Oyelaran Papadakis Pemberton Petrosyan Pomeroy Quarshie Quimby Ravensworth Rosenqvist Sandoval
Scarborough Schimmelpfennig Silverbrook Szymborska Tarkington Temple Thorvaldsen Trevelyan Uchenna
Underhill Vandermeer Villalobos Vojtech Weatherby Wojciechowski Woolridge Yarborough Young Zabriskie
Zielonka Zimbalist
""")
GIVEN = _listed("""
Adaeze Alasdair Amaryllis Anselm Araminta Balthasar Beatrix Benedikta Bronwyn Caoimhe Casimir
Celestine Clementina Cordelia Dagmar Desmond Dorothea Ebenezer Eleonora Emeka Esperanza Fabrizio
Fiorella Gerlinde Gottfried Griselda Gwendolyn Hadewych Hermione Hildegard Ignatius Isolde Jacinta
Joaquin Kasimira Katarzyna Konstanze Lazarus Leopoldine Ludmila Magdalena Marguerite Maximilian
Mireille Montgomery Nathaniel Nikolaus Octavia Olumide Ottilie Parthenope Percival Philippa Quentin
Radomir Rosalind Sieglinde Siobhan Svetlana Tancred Theodosia Thorsten Ulysses Ursula Valentina
Vivienne Wilhelmina Winifred Xiomara Yevgenia Yolanda Zacharias Zenobia
""")
# Latin spelling, other scripts as DICOM writes them, character set.
FOREIGN = (
    ("Müllensiefen^Jörg", "ISO_IR 100"),
    ("Bjørnstad^Sølvi", "ISO_IR 100"),
    ("Lefèvre^Anaïs", "ISO_IR 100"),
    ("Muñozgarza^Íñigo", "ISO_IR 100"),
    ("Jędrzejczak^Żaneta", "ISO_IR 192"),
    ("Φιλιππόπουλος^Ευστάθιος", "ISO_IR 192"),
    ("Nguyễnhữu^Thùylinh", "ISO_IR 192"),
    ("Șerbănescu^Ruxandra", "ISO_IR 192"),
    ("Добролюбова^Апполинария", "ISO_IR 144"),
    ("Крестовоздвиженский^Ермолай", "ISO_IR 144"),
    ("Κουτσογιάννης^Αριστοτέλης", "ISO_IR 126"),
    ("Kitagawa^Hanako=北川^花子=きたがわ^はなこ", "\\ISO 2022 IR 87"),
    ("Shimabukuro^Kenichi=島袋^健一=しまぶくろ^けんいち", "\\ISO 2022 IR 87"),
    ("Seonwoo^Gildong=선우^길동=선우^길동", "\\ISO 2022 IR 149"),
    ("Ouyang^Mingyue=欧阳^明月", "GB18030"),
    ("Zhuge^Wenhua=诸葛^文华", "ISO_IR 192"),
)
STREETS = _listed("""
Amberley Bramblewood Cloisterham Dunnottar Elderflower Farthingale Glenfinnan Hollybush Inverleith
Juniperhill Kestrelgate Larkhaven Marchmont Netherbow Orchardleigh Pilrig Quarrymill Ravelston
""")
TOWNS = _listed("""
Aldermaston Birchwick Calderbrook Drumnadoon Eskmouth Fennimore Glimmerford Hartlepine Ivybrook
Jarrowdale Kettlesham Lochinbridge Mapledurham Northwold Oxcombe Penhallow
""")
# No general word such as "hospital" is in these names: it would not identify anybody.
HOSPITALS = (
    "Wulfstan Calderbrook",
    "Penhallow Mercy",
    "Northwold Ravensbourne",
    "Glimmerford Highmoor",
    "Trelissick Bishopsmead",
)
DEPARTMENTS = ("Radiology East Wing", "Ward Nightingale 7B", "Diagnostic Suite Ophelia")
EMPLOYERS = ("Eskmouth Fisheries", "Harbourmaster Penhallow", "Oxcombe Ropeworks")
DEVICES = ("STARLING", "OSPREY", "GOSHAWK", "WAGTAIL")

# What the examination is, by kind of image: written into descriptions and kept.
STUDIES = {
    "CT": (
        "CT chest w/ contrast",
        "CT abdomen pelvis with IV contrast",
        "CT thorax low dose",
        "CT abdomen liver triphasic",
        "CT lumbar spine without contrast",
    ),
    "MR": (
        "MR knee left without contrast",
        "MRI prostate multiparametric",
        "MR liver dynamic contrast",
        "MRI lumbar spine",
        "MR breast bilateral",
    ),
    "PT": ("PET CT chest FDG", "PET thorax F-18 FDG"),
    "NM": ("NM bone scan thorax", "NM lung perfusion"),
    "CR": ("XR chest PA and lateral", "XR hand right 2 views", "XR pelvis AP"),
    "DX": ("DX chest PA", "DX knee left AP lateral", "DX lumbar spine"),
    "MG": ("Mammogram screening bilateral", "Mammography diagnostic left"),
    "US": ("US abdomen complete", "US thyroid", "US renal doppler"),
    "RT": ("CT simulation thorax radiotherapy",),
    "OT": ("Report", "Outside record"),
    "ECG": ("ECG 12 lead rest",),
}
SERIES = {
    "CT": ("axial 5 mm soft tissue", "lung kernel 1 mm", "coronal reformat", "portal venous phase"),
    "MR": (
        "T2 TSE axial fat sat",
        "T1 sagittal",
        "DWI b1000",
        "ADC map",
        "PD coronal",
        "EPI diffusion 3 mm",
    ),
    "PT": ("PET attenuation corrected", "PET AC 3D OSEM"),
    "NM": ("anterior posterior static", "perfusion posterior"),
    "CR": ("PA", "lateral", "AP"),
    "DX": ("PA erect", "lateral"),
    "MG": ("R CC", "L CC", "R MLO", "L MLO"),
    "US": ("transverse", "sagittal left lobe", "doppler artery"),
    "RT": ("planning",),
    "OT": ("document",),
    "ECG": ("rest",),
}
FINDINGS = (
    "8 mm nodule right upper lobe",
    "no pleural effusion",
    "mild degenerative change",
    "hepatic steatosis",
    "stable mediastinal lymph nodes",
    "small simple cyst left kidney",
    "no acute fracture",
    "thickened gallbladder wall 5 mm",
    "status post surgery",
    "partial response to chemotherapy",
    "tumor volume decreased",
    "mass 23 mm segment 7",
)
COMPLAINTS = (
    "chest pain",
    "chronic cough",
    "abdominal pain",
    "weight loss",
    "shortness of breath",
    "back pain",
    "known lung cancer",
    "follow up metastasis",
)

SHORT = (
    "[{science}] {family}",
    "{accession} [{science}]",
    "[{science}] {slash_date}",
    "[{science}] Dr {physician_family}",
    "[{science}] {mrn}",
)
LONG = (
    "[{science}] for {patient}, seen {iso_date}. [{finding}].",
    "{patient} (MRN {mrn}) lives at {address}. Presents with [{complaint}].",
    "Discussed with Dr {physician_plain} on {long_date}, callback {phone}. [{finding}].",
    "Compared with prior {accession} of {dot_date}: [{finding}].",
    "[{complaint}]. Next of kin {relative}, {phone}. Works at {employer}.",
    "[{science}] requested by {physician_plain}, {hospital}. Patient born {birth_date_text}.",
    "Hx: [{complaint}], [{finding}]. Mail report to {email}.",
    "[{finding}]; transferred from {town}, room {room}, ID {national_id}.",
    "Report dictated {iso_date} by {physician_plain}. [{complaint}]; [{finding}].",
)
