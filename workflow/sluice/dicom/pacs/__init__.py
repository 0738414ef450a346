"""Fetching studies from a picture archive (PACS), and storing a released set there."""
