-- Update, then insert, third part: every staged row is marked.
-- psql:
UPDATE seed_staging.orders SET _dms_processing_status = 'PROCESSED';
