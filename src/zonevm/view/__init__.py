"""Zone maps for people: in a terminal, as SVG. Knows zones only, no image and no guest."""
