-- Instants (`_at`) are Unix milliseconds, civil days (`_on`) are ISO dates.

-- Every message that was ever seen, and the one outcome it had.
CREATE TABLE inbox (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    mailbox     TEXT    NOT NULL,
    key         TEXT    NOT NULL,              -- uidvalidity:uid, or the Maildir name
    sha256      TEXT,                          -- of the raw bytes; none for old mail never fetched
    size        INTEGER NOT NULL DEFAULT 0,
    received_at INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,    -- counted before the message is read
    outcome     TEXT,                          -- none while it is not handled
    reason      TEXT,
    case_id     INTEGER REFERENCES cases (id),
    proposed    TEXT,                          -- addresses staff may open cases for, JSON; short-lived
    excerpt     TEXT,                          -- for staff; short-lived
    dismissed   INTEGER NOT NULL DEFAULT 0,    -- staff took it up, or off their list
    dismissal   TEXT,                          -- who took it off, in words; short-lived
    dismissed_at INTEGER,
    handled_at  INTEGER,
    UNIQUE (mailbox, key)
) STRICT;
CREATE INDEX inbox_sha256 ON inbox (sha256);
CREATE INDEX inbox_case ON inbox (case_id);
CREATE INDEX inbox_handled ON inbox (handled_at);
CREATE INDEX inbox_unhandled ON inbox (id) WHERE outcome IS NULL;

CREATE TABLE cases (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    reference        TEXT    NOT NULL UNIQUE,
    address_key      TEXT    NOT NULL,         -- HMAC of the canonical address
    state            TEXT    NOT NULL,
    resolution       TEXT,
    role             TEXT,
    source           TEXT    NOT NULL,
    received_at      INTEGER NOT NULL,
    expires_at       INTEGER,
    confirmed_at     INTEGER,
    confirmed_by     TEXT,
    due_on           TEXT,
    law_due_on       TEXT,
    redirect_ends_at INTEGER,
    closed_at        INTEGER,
    work             TEXT    NOT NULL,         -- what people did and owe, JSON
    look_at          INTEGER,                  -- when time brings the next thing
    CHECK ((state = 'closed') = (resolution IS NOT NULL))
) STRICT;
CREATE INDEX cases_address ON cases (address_key, state);
CREATE INDEX cases_open ON cases (state) WHERE state <> 'closed';
CREATE INDEX cases_closed_at ON cases (closed_at);
CREATE INDEX cases_returned ON cases (id) WHERE state = 'closed' AND work ->> 'returned' IS NOT NULL;
CREATE INDEX cases_look_at ON cases (look_at) WHERE look_at IS NOT NULL;

-- Whom a case is about: the only lasting place of a plain address.
CREATE TABLE subjects (
    case_id  INTEGER PRIMARY KEY REFERENCES cases (id),
    address  TEXT NOT NULL,
    language TEXT NOT NULL
) STRICT;

-- What was seen when somebody asked or confirmed; goes with the address.
CREATE TABLE evidence (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    case_id INTEGER NOT NULL REFERENCES cases (id),
    at      INTEGER NOT NULL,
    deed    TEXT    NOT NULL,                  -- asked | confirmed | proved
    facts   TEXT    NOT NULL                   -- JSON
) STRICT;
CREATE INDEX evidence_case ON evidence (case_id);

-- Files that came as proof: what they are, never what is in them.
CREATE TABLE attachments (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    case_id INTEGER NOT NULL REFERENCES cases (id),
    at      INTEGER NOT NULL,
    name    TEXT    NOT NULL,
    type    TEXT    NOT NULL,
    bytes   INTEGER NOT NULL,
    sha256  TEXT    NOT NULL
) STRICT;
CREATE INDEX attachments_case ON attachments (case_id);

-- What happened and what was decided, chained by hashes, without personal data.
CREATE TABLE journal (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    reference   TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    event       TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    decided     TEXT    NOT NULL,              -- the change, as JSON
    detail_hash TEXT    NOT NULL DEFAULT '',   -- of the salted text in details
    content     TEXT    NOT NULL,              -- hash of all of the above
    hash        TEXT    NOT NULL               -- of the hash before it, and content
) STRICT;
CREATE INDEX journal_reference ON journal (reference);
CREATE INDEX journal_at ON journal (at);
CREATE TRIGGER journal_is_not_changed BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_is_not_shortened BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- Names of staff and free text beside the journal: deletable, bound to it by a salted hash.
CREATE TABLE details (
    seq  INTEGER PRIMARY KEY REFERENCES journal (seq),
    salt TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;

-- Letters committed, until they are submitted and after.
CREATE TABLE outbox (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    case_id      INTEGER REFERENCES cases (id),
    kind         TEXT    NOT NULL,
    "values"     TEXT    NOT NULL,             -- JSON; emptied after submission
    recipient    TEXT    NOT NULL,             -- emptied after submission
    address_key  TEXT    NOT NULL,
    nonce        TEXT    NOT NULL UNIQUE,      -- tokens are computed from it, never stored
    to_staff     INTEGER NOT NULL,
    about        TEXT    NOT NULL DEFAULT '[]', -- to staff: what its links and answers are good for, JSON
    in_reply_to  TEXT,
    class        TEXT,                         -- daily budget it counts in, if any
    origin       TEXT    NOT NULL DEFAULT '',  -- of a form entry: which form, or a keyed hash of its network
    hold         TEXT,                         -- budget | approval | undo
    written_at   INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,             -- first instant of the next attempt
    released_at  INTEGER,                      -- when it left the desk; its bytes are fixed from then
    attempts     INTEGER NOT NULL DEFAULT 0,   -- counted before each is made
    uncertain    INTEGER NOT NULL DEFAULT 0,   -- attempts whose end nobody knows
    outgoing     TEXT,                         -- composed mail with marks for tokens; emptied after
    status       TEXT    NOT NULL,             -- waiting | claimed | submitted | refused | bounced |
                                               -- given-up | uncertain | cancelled
    note         TEXT,                         -- the server's last answer
    submitted_at INTEGER,
    ended_at     INTEGER                       -- when its status became final
) STRICT;
CREATE INDEX outbox_open ON outbox (due_at, id) WHERE status IN ('waiting', 'claimed');
CREATE INDEX outbox_case ON outbox (case_id);
CREATE INDEX outbox_address ON outbox (address_key, written_at);
CREATE INDEX outbox_class ON outbox (class, origin, released_at) WHERE class IS NOT NULL;
CREATE INDEX outbox_status ON outbox (status, ended_at);

-- Addresses that said that they never asked.
CREATE TABLE suppressions (
    address_key TEXT PRIMARY KEY,
    since       INTEGER NOT NULL
) STRICT;

-- Commands by mail work once: hash of token and words.
CREATE TABLE commands (
    hash TEXT PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT;

-- One digest for each member and firing of the schedule.
CREATE TABLE digests (
    fired_at INTEGER NOT NULL,
    member   TEXT    NOT NULL,             -- keyed hash of the address
    PRIMARY KEY (fired_at, member)
) STRICT;

-- Small facts that survive a restart.
CREATE TABLE marks (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
