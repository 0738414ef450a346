"""Expression matrices: reading by streams, genes, writing anew, aggregates above a floor."""
