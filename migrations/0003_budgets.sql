-- What was released in a class in the last day, without reading what was released before it.
CREATE INDEX outbox_released ON outbox (class, released_at) WHERE class IS NOT NULL;
