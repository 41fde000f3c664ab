"""``make bench``: compares the merge, and the steps around it, with other ways and with lower bounds."""
