-- The values of a LOB column that reach the limit (bytes) at which DMS cuts them, and the length of the longest; no row
-- where all is well. A cut inside a character of several bytes leaves up to three bytes less.
-- psql: -v schema=staging -v table=orders_r1 -v value="(note)::text" -v characters="char_length((note)::text)" -v limit_bytes=1048576
SELECT
    count(*) AS cut,
    max(octet_length(:value))::bigint AS longest
FROM :"schema".:"table"
WHERE
    octet_length(:value) >= :limit_bytes
    OR (octet_length(:value) > :limit_bytes - 4 AND octet_length(:value) > :characters)
HAVING count(*) > 0;
