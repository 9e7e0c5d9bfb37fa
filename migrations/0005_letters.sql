-- Letters that wait are asked for many times a second while a backlog is worked off: those on the
-- desk and those to be sent, each without reading the others.
CREATE INDEX outbox_on_desk ON outbox (written_at, id) WHERE status = 'waiting' AND released_at IS NULL;
CREATE INDEX outbox_to_send ON outbox (due_at, id) WHERE status = 'waiting' AND released_at IS NOT NULL;
DROP INDEX outbox_open;
