"""What goes back to MISP: hits -> sightings, by policy; pure."""
