-- What a bulk job is besides a batch of messages.
ALTER TABLE batches ADD COLUMN name TEXT;
-- How many messages it had when it was accepted, and how many recipients were left out.
ALTER TABLE batches ADD COLUMN total INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN opted_out INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN duplicate INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN invalid INTEGER NOT NULL DEFAULT 0;
-- 1: what was queued was taken back.
ALTER TABLE batches ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0;
-- The idempotency key it was accepted under, and a digest of what was asked.
ALTER TABLE batches ADD COLUMN key TEXT;
ALTER TABLE batches ADD COLUMN request TEXT;
-- Milliseconds since 1970, UTC: not sent before; NULL: at once.
ALTER TABLE batches ADD COLUMN send_at INTEGER;
CREATE UNIQUE INDEX batches_by_key ON batches (key);

-- With whom a session last talked is looked up for every message to a group of sessions.
CREATE INDEX messages_by_recipient ON messages (session, recipient, seq) WHERE from_me = 1;

-- Which LID and which phone number are one person.
CREATE TABLE lid_phones (
    lid   TEXT NOT NULL PRIMARY KEY,
    -- Digits.
    phone TEXT NOT NULL
) STRICT;
CREATE INDEX lid_phones_by_phone ON lid_phones (phone);

-- Who does not want to be written to in bulk, one row each.
CREATE TABLE optouts (
    -- The order in which they came; a cursor for paging.
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Digits, and `…@lid`: what is known of the two, at least one.
    phone      TEXT    UNIQUE,
    lid        TEXT    UNIQUE,
    -- In the words of who put them on the list.
    reason     TEXT,
    -- request, or stop_word.
    source     TEXT    NOT NULL,
    -- The session that they wrote to.
    session    TEXT,
    created_at INTEGER NOT NULL,
    CHECK (phone IS NOT NULL OR lid IS NOT NULL)
) STRICT;

-- Sessions that are one sender.
CREATE TABLE pools (
    name       TEXT    NOT NULL PRIMARY KEY,
    -- Their ids, as a JSON array.
    sessions   TEXT    NOT NULL,
    -- sticky, round-robin, or least-loaded.
    strategy   TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
