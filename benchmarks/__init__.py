"""What `make bench` runs: ratios against a peer and the physical limit, in one run."""
