"""Pages of HTML that show what was found: one frame, one way to draw, the pieces that all of them are made of."""
