"""Imaging: DICOM objects.

Hazard questionnaire
--------------------
What identifies a person here?
    Names, numbers, dates and UIDs anywhere in a header, also nested, private or in padding; text
    burned into pixels; faces; the pattern of modality, region, age and machine; and the pixels
    themselves, to whoever holds the original.
Which attack shows it?
    A residual search of the written files for everything that the vault knows, linkage on what the
    headers still tell, and comparison of pixel digests.
Which defence answers it?
    Headers written anew by PS3.15's table with default removal, keyed UIDs and one date shift;
    kinds, regions and faces excluded by closed lists. Against a holder of the original: none, and
    the tier says so.
"""
