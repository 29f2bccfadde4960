"""EVE lines as observations: which value, in which field, between whom, when; folded by day."""
