"""What a transformation of expression costs, and what it buys: measures, settings, the sweep."""
