-- Mark the keys that the source has found.
-- psql: -v control=confirm_control_1 -v again=confirm_rows_1 -v same_again="a.c1 = d.c1"
UPDATE :"control" AS d
SET is_found = TRUE
WHERE EXISTS (SELECT 1 FROM :"again" AS a WHERE :same_again);
