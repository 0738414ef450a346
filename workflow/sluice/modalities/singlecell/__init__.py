"""Single-cell expression: cells by genes, proportions of cell types, means of gene sets by type.

Hazard questionnaire
--------------------
What identifies a person here?
    Halves of a donor's cells link to each other; barcodes, libraries and dates; and whatever an
    analyst left inside the object: uns, obsm, layer names, categories of removed donors.
Which attack shows it?
    Half-split re-linking, a search of every slot and string of the released file, the share of one
    donor in a group.
Which defence answers it?
    No cells outside the controlled tier; files written anew from values with new names; a cap of
    cells a donor; aggregates only above floors of donors and cells, inside and outside.
"""
