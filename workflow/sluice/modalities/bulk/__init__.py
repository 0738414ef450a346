"""Bulk expression: samples by genes, and means of fixed gene sets.

Hazard questionnaire
--------------------
What identifies a person here?
    The values themselves: another profile of the same donor links to them, genotypes predict
    them, genes of chrX and chrY tell sex, HLA, KIR, immunoglobulin and T-cell receptor genes carry
    alleles; sample names, dates and operators beside them.
Which attack shows it?
    Re-linking of replicates, sex inference, membership in a mean, genotype linking.
Which defence answers it?
    No individual matrix outside the controlled tier; gene groups left out; fresh names, one date
    shift; means only above a floor of donors inside and outside.
"""
