"""Differential privacy for one participant: mechanisms, accounting, planner, products."""
