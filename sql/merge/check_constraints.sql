-- Have the constraints that waited checked now, while there is still something to say about a refused row.
-- psql:
SET CONSTRAINTS ALL IMMEDIATE;
