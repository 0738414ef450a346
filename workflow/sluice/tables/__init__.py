"""Tables: equivalence classes, generalisation, recoding search, class models and risk."""
