-- Add the function that tells whether PostgreSQL reads a text as a value of a type. A load counts and names by it the
-- values that a type of production, or a domain's constraint, refuses.
-- By hand: psql -f sql/example.psql -f sql/ddl/0010_reads_as.sql
CREATE OR REPLACE FUNCTION admin.reads_as(value text, type text) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    EXECUTE 'SELECT CAST($1 AS ' || type || ')' USING value;
    RETURN TRUE;
EXCEPTION
    WHEN data_exception OR integrity_constraint_violation THEN
        RETURN FALSE;
END
$$;
COMMENT ON FUNCTION admin.reads_as(text, text) IS
'Whether PostgreSQL reads a text as a value of a type, which is spelled as in CREATE TABLE.';
