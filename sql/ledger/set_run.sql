-- A later run resumes a reload that an earlier one opened.
-- psql: -v reload_id=1 -v run_id=r2
UPDATE admin.reloads SET run_id = :'run_id'
WHERE reload_id = :'reload_id'::bigint;
