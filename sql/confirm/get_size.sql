-- How many bytes a production table has, with its partitions.
-- psql: -v schema=production -v table=customers
SELECT
    coalesce(
        (SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree(place.name::regclass)),
        pg_relation_size(place.name::regclass)
    )::bigint AS bytes
FROM (SELECT format('%I.%I', :'schema'::text, :'table'::text) AS name) AS place;
