"""What scripts/compare-models is made of."""
