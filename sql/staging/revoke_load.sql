-- The load is over: nothing but the reload touches the staging table from here on.
-- psql: -v schema=staging -v table=orders_r1 -v role=dms
REVOKE INSERT ON :"schema".:"table" FROM :"role";
