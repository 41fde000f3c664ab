-- Nobody writes into the staging table or drops it until the end of the transaction; reading goes on.
-- psql: -v staging_schema=staging -v staging_table=orders_r1
LOCK TABLE :"staging_schema".:"staging_table" IN SHARE MODE;
