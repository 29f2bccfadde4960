"""What goes back to MISP, and what never does: pure; what is told is stored and sent elsewhere."""
