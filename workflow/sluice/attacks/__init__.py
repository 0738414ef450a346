"""Attacks that are really run against a candidate: one file a scenario."""
