-- Close the keys about which nothing is to be done, or can be: blocked, where production has refused the correction several
-- times. A row that somebody else has written is closed where it was read equal before: what CDC makes of a row that
-- was right is right.
-- psql: -v keys=confirm_keys_1 -v most_blocks=3
UPDATE :"keys"
SET
    is_open = blocks < :'most_blocks'::integer
    AND (verdict NOT IN ('same', 'absent', 'left', 'orphan', 'moved') OR (verdict = 'moved' AND NOT settled)),
    settled = settled OR verdict IN ('same', 'absent'),
    verdict = CASE WHEN blocks < :'most_blocks'::integer THEN verdict ELSE 'blocked' END
WHERE is_open;
