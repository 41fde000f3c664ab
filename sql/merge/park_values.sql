-- Let go of values that other rows will take over: NULL until the row gets its own new value in the same transaction.
-- psql: -v moved=reload_moved_1 -v delta=reload_delta_1 -v schema=production -v table=customers -v column=email -v same_key="p.id = d.c1"
UPDATE :"schema".:"table" AS p
SET :"column" = NULL
FROM :"delta" AS d, :"moved" AS m
WHERE d.ctid = m.place AND :same_key;
