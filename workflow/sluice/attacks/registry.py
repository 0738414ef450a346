"""Every attack that the product can run: what its attacker knows and how it proves that it works.

One record a scenario, by the name that a policy demands it by. Tests compare the list with what
the default policy requires, with the names that adapters give their scores, and with the commands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["participant", "donor", "record", "group", "object", "mechanism"]


@dataclass(frozen=True)
class Scenario:
    """One attack, or one count that an attack could use.

    Parameters
    ----------
    name
        As policies and scores name it.
    knows
        What the attacker has besides the release.
    unit
        What is counted; bounds are over these.
    control
        The same attack where it must succeed, or why none is needed.
    source
        Who described the method; empty for an exact count.
    command
        The command that runs it on files, where there is one.
    """

    name: str
    knows: str
    unit: Unit
    control: str
    source: str = ""
    command: str = ""


_COUNT = "an exact count: none needed"

SCENARIOS = (
    Scenario(
        "prosecutor",
        "that the person is in the release, and every quasi-identifier without error",
        "participant",
        _COUNT,
        "Dankar and El Emam 2010",
    ),
    Scenario(
        "journalist",
        "a register of the population, not who is in the release",
        "participant",
        _COUNT,
        "Dankar and El Emam 2010",
    ),
    Scenario(
        "marketer",
        "everyone's quasi-identifiers, and matches all of them at once",
        "participant",
        _COUNT,
        "Dankar and El Emam 2010",
    ),
    Scenario(
        "joint_uniqueness",
        "the quasi-identifiers of all modalities, presence and counts among them",
        "participant",
        _COUNT,
        "Sweeney 2000",
    ),
    Scenario(
        "record_linkage",
        "each person's quasi-identifiers with errors, and how they were recoded",
        "participant",
        "the same people's table before recoding",
        "Fellegi and Sunter 1969",
    ),
    Scenario(
        "l_diversity",
        "which class a person is in",
        "participant",
        _COUNT,
        "Machanavajjhala et al. 2007",
    ),
    Scenario(
        "t_closeness",
        "which class a person is in, and the whole cohort's shares",
        "participant",
        _COUNT,
        "Li, Li and Venkatasubramanian 2007",
    ),
    Scenario("suppression", "how many people were removed", "participant", _COUNT),
    Scenario(
        "recoding_frozen",
        "how the recoding was chosen, and that it was minimal on these data",
        "participant",
        _COUNT,
        "Wong et al. 2007",
    ),
    Scenario(
        "sequential_k",
        "every release of the tier (for controlled, of registered too), which rows are one "
        "person's, and when the person joined and left",
        "participant",
        "one person missing from one more release",
        "Xiao and Tao 2007",
    ),
    Scenario(
        "coalition_k",
        "every release of registered and of controlled, which rows are one person's, and when the "
        "person joined and left each",
        "participant",
        "one person missing from one more release",
    ),
    Scenario(
        "sequential_differences",
        "every release of the tier, and who joined, left and came back between them",
        "participant",
        _COUNT,
        "Byun et al. 2006",
    ),
    Scenario(
        "recoding_series",
        "how every release of the tier was recoded",
        "participant",
        _COUNT,
    ),
    Scenario(
        "shift_guess",
        "one date of the person and which released person it belongs to",
        "participant",
        "by construction: one shift keeps intervals",
    ),
    Scenario(
        "date_known",
        "one date of the person, and how the release changes dates",
        "participant",
        "the same dates unshifted",
    ),
    Scenario(
        "intervals_known",
        "three dates of the person, and how the release changes dates",
        "participant",
        "the same dates unshifted and unbinned",
    ),
    Scenario(
        "genotype_linking",
        "genotypes of named people, and a reference with expression and genotypes put through "
        "the release's own transformation",
        "donor",
        "the same attack on the raw transcriptome",
        "Schadt et al. 2012; Harmanci and Gerstein 2016; Walker et al. 2024",
        "sluice attack genotype-linking",
    ),
    Scenario(
        "donor_relink",
        "a named profile of each donor from another sample, pipeline, tier or release",
        "donor",
        "the rows before the defence",
        "whitened nearest neighbour and one-to-one assignment",
        "sluice attack relink",
    ),
    Scenario(
        "tier_relink",
        "controlled's rows of the same people, and how the tier computes its own from them",
        "donor",
        "the same rows before rounding",
        "whitened nearest neighbour and one-to-one assignment",
    ),
    Scenario(
        "cell_relink",
        "a named profile of each donor from the other half of the donor's cells",
        "donor",
        "the same half of the cells, raw",
        "whitened nearest neighbour and one-to-one assignment",
    ),
    Scenario(
        "sex_inference",
        "the sex of other donors of the cohort and their released values",
        "donor",
        "all genes, raw",
        "see traits",
    ),
    Scenario(
        "traits",
        "each hidden attribute of other donors and their released values; of a group's mean also "
        "the attributes of all other members",
        "donor",
        "all genes, raw",
        "four classifiers in nested cross-validation (Varma and Simon 2006)",
        "sluice attack traits",
    ),
    Scenario(
        "membership",
        "a target's own profile and a reference sample of the same population",
        "donor",
        "the exact mean of all genes over ten members",
        "Homer et al. 2008; Sankararaman et al. 2009; whitened likelihood ratio",
        "sluice attack membership",
    ),
    Scenario(
        "synthetic_membership",
        "a target's own profile and class, and a reference sample of the same population",
        "donor",
        "naive rows drawn from each class's mean and covariance",
        "Chen et al. 2020; van Breugel et al. 2023; subspace residual; copula likelihood",
    ),
    Scenario(
        "singling_out",
        "the synthetic rows of a table, and seeks people whom a few of their values single out",
        "record",
        "the members' own rows given out as synthetic",
        "Article 29 Working Party 2014; Giomi et al. 2022",
        "sluice attack synthetic",
    ),
    Scenario(
        "linkability",
        "two tables about the same people, with different columns of them",
        "record",
        "the members' own rows given out as synthetic",
        "Article 29 Working Party 2014; Giomi et al. 2022",
        "sluice attack synthetic",
    ),
    Scenario(
        "inference",
        "a person's other columns, and wants the secret one",
        "record",
        "the members' own rows given out as synthetic",
        "Article 29 Working Party 2014; Giomi et al. 2022",
        "sluice attack synthetic",
    ),
    Scenario(
        "group_floor",
        "which groups were published and how many donors each has",
        "group",
        _COUNT,
    ),
    Scenario(
        "dominance",
        "how many cells each donor has in each published group",
        "group",
        _COUNT,
    ),
    Scenario(
        "reconstruction",
        "the own share in a published number, and wants another donor's",
        "group",
        _COUNT,
        "Green, Ritchie and Smith 2021",
    ),
    Scenario(
        "differencing",
        "every published release of the tier, and who is in which of its groups",
        "group",
        "one donor at a time left out of the candidate's own groups",
        "Prange 1962",
    ),
    Scenario(
        "effective_dimension",
        "all published numbers of a group and how many donors are behind them",
        "group",
        _COUNT,
    ),
    Scenario(
        "surface",
        "every slot, name, attribute and string of the released files",
        "object",
        "the same search in the raw files",
    ),
    Scenario(
        "residual",
        "every identifier of the vault, and searches bytes and decoded headers",
        "object",
        "the same search in the raw objects",
    ),
    Scenario(
        "header_linkage",
        "each person's sex, age, size, machines and examinations, with errors",
        "participant",
        "the same people's raw headers",
        "Fellegi and Sunter 1969",
    ),
    Scenario(
        "header_classes",
        "the quasi-identifiers of the table, and all that the person's headers tell",
        "participant",
        _COUNT,
        "Dankar and El Emam 2010",
    ),
    Scenario(
        "pixel_digest",
        "the original image",
        "object",
        "by construction: pixels are bit-exact",
    ),
    Scenario(
        "dp_audit",
        "every other participant and the mechanism, and chooses the worst participant",
        "mechanism",
        "the same audit of the mechanism with half the noise",
        "Jagielski, Ullman and Oprea 2020; Dong, Roth and Su 2022",
    ),
)


def scenario(name: str) -> Scenario:
    """Return the scenario of this name.

    Raises
    ------
    KeyError
        If there is none.
    """
    return {known.name: known for known in SCENARIOS}[name]
