"""What leaves: bundle, seal, publication, catalogue, and the recipient's own check."""
