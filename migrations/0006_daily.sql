-- What is done every day, or when the settings change, reads what it is about and not all that
-- ever came: words to forget, letters to staff to forget, and cases that time still brings
-- something.
CREATE INDEX inbox_words ON inbox (handled_at)
    WHERE excerpt IS NOT NULL OR proposed IS NOT NULL OR dismissal IS NOT NULL;
CREATE INDEX outbox_to_staff ON outbox (written_at) WHERE to_staff = 1;
CREATE INDEX cases_with_dates ON cases (id) WHERE look_at IS NOT NULL;
