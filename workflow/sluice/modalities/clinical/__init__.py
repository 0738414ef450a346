"""Clinical tables: people, visits, events.

Hazard questionnaire
--------------------
What identifies a person here?
    Names and numbers; birth date, postcode, rare diagnoses, and the pattern of visit dates.
Which attack shows it?
    Record linkage with noisy knowledge, joint uniqueness, known dates and intervals.
Which defence answers it?
    Default-drop, generalisation to k-anonymous classes with l and t, suppression of whole
    participants, one keyed date shift.
"""
