-- Keep writers and foreign key checks of other transactions out of a table whose rows are about to be recreated: one
-- that waits for the old row would find it gone and lose its change.
-- psql: -v schema=production -v table=customers
LOCK TABLE :"schema".:"table" IN EXCLUSIVE MODE;
