-- What a mail about a case is known under when a later one answers it: an HMAC of its author's
-- address and its Message-ID, which says nothing without the key.
ALTER TABLE inbox ADD COLUMN thread_key TEXT;
