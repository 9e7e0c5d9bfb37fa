-- What the digest asks for every day, without reading every mail that ever came.
CREATE INDEX inbox_proposed ON inbox (received_at, id) WHERE proposed IS NOT NULL;
CREATE INDEX inbox_dismissed ON inbox (dismissed_at) WHERE dismissal IS NOT NULL;
