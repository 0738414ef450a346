"""The vault's append-only record: spends with their sealed answers, approvals, deliveries."""
