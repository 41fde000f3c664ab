-- Update the locked rows whose staged version is newer, or equal with other content; never a newer one.
-- psql: -v delta=reload_delta_1 -v schema=production -v table=customers -v assignments="name = d.c2" -v same_key="p.id = d.c1" -v not_newer="(p.id > d.c1) IS NOT TRUE"
UPDATE :"schema".:"table" AS p
SET :assignments
FROM :"delta" AS d
WHERE
    :same_key
    AND d.outcome IN ('updated', 'repaired')
    AND :not_newer;
