"""Side-by-side runs of the merge and its surroundings against other ways and against the limits; ``make bench``."""
