-- Only the keys that the source's window has just listed, though it did not find them by the key.
-- psql: -v control=confirm_control_1 -v again=confirm_rows_1 -v same_again="a.c1 = d.c1"
DELETE FROM :"control" AS d
WHERE d.is_found OR NOT EXISTS (SELECT 1 FROM :"again" AS a WHERE :same_again);
