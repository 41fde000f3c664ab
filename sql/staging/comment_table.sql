-- Say on a staging table whose it is.
-- psql: -v schema=staging -v table=orders_r1 -v comment="'reload 1'"
COMMENT ON TABLE :"schema".:"table" IS :comment;
