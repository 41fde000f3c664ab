-- Close the keys about which nothing is to be done, or can be: blocked, where a constraint has refused the correction
-- several times. A row that somebody else has written anew at each of several looks is CDC's, which carries whole rows.
-- psql: -v keys=confirm_keys_1 -v most_moves=5 -v most_blocks=3
UPDATE :"keys"
SET
    is_open = blocks < :'most_blocks'::integer AND (
        verdict NOT IN ('same', 'left', 'orphan', 'moved') OR (verdict = 'moved' AND moves + 1 < :'most_moves'::integer)
    ),
    moves = CASE WHEN verdict = 'moved' THEN moves + 1 ELSE 0 END,
    verdict = CASE WHEN blocks < :'most_blocks'::integer THEN verdict ELSE 'blocked' END
WHERE is_open;
