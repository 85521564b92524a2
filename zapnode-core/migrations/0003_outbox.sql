-- Whose turn it is, and what the pace is counted by.

-- 0: asked for one by one; 1: part of a bulk job, which waits for those.
ALTER TABLE messages ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
-- The bulk job it belongs to.
ALTER TABLE messages ADD COLUMN batch TEXT;
-- 1: sent at the gentle pace at least, whatever the session's own is.
ALTER TABLE messages ADD COLUMN paced INTEGER NOT NULL DEFAULT 0;
-- When it was last handed to the page; written before that is done. NULL: the page cannot have it.
ALTER TABLE messages ADD COLUMN attempted_at INTEGER;
-- 1: its chat had not been written to or heard from before.
ALTER TABLE messages ADD COLUMN first_contact INTEGER NOT NULL DEFAULT 0;

-- Earlier versions did not write it down beforehand: any of theirs may have been handed over.
UPDATE messages SET attempted_at = updated_at
 WHERE from_me = 1 AND state IN ('queued', 'sending', 'sent', 'delivered', 'read');

CREATE INDEX messages_by_batch ON messages (batch, seq) WHERE batch IS NOT NULL;
CREATE INDEX messages_attempted ON messages (session, attempted_at) WHERE attempted_at IS NOT NULL;

-- Bulk jobs.
CREATE TABLE batches (
    id         TEXT    NOT NULL PRIMARY KEY,
    session    TEXT    NOT NULL,
    -- 1: its queued messages wait until it is released.
    held       INTEGER NOT NULL DEFAULT 0,
    -- 1: sent at the gentle pace at least.
    paced      INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX batches_by_session ON batches (session, id);

-- Who a session has had to do with, by each address; kept when messages are deleted for their age.
CREATE TABLE known_chats (
    session    TEXT    NOT NULL,
    -- …@c.us, …@lid, …@g.us
    address    TEXT    NOT NULL,
    -- One name for all addresses of a person: what goes to them goes in one order.
    lane       TEXT    NOT NULL,
    -- When it was first written to, and last heard from.
    written_at INTEGER,
    heard_at   INTEGER,
    PRIMARY KEY (session, address)
) STRICT, WITHOUT ROWID;
INSERT INTO known_chats (session, address, lane, written_at, heard_at)
SELECT session, chat, chat,
       MIN(CASE WHEN from_me = 1 THEN created_at END),
       MAX(CASE WHEN from_me = 0 THEN created_at END)
  FROM messages
 WHERE chat IS NOT NULL AND (from_me = 0 OR attempted_at IS NOT NULL)
 GROUP BY session, chat;

-- Queues that WhatsApp made pause.
CREATE TABLE outbox_pauses (
    session TEXT    NOT NULL PRIMARY KEY,
    -- A stable word, and WhatsApp's own words.
    code    TEXT    NOT NULL,
    detail  TEXT    NOT NULL,
    -- Until when, and how many times in a row.
    until   INTEGER NOT NULL,
    times   INTEGER NOT NULL
) STRICT;
