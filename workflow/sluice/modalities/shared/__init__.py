"""What the adapters have in common: raw files, participants, typed columns, field rules."""
