"""Sluice: raw cohorts to versioned, gated, de-identified release bundles."""

__version__ = "0.1.0"
