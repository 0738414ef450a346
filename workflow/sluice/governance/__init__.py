"""Decisions that people take, and the records that prove them."""
