-- When the bridge was set up: what happened to the session before that is not told as news.
ALTER TABLE chatwoot_bridges ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;
UPDATE chatwoot_bridges SET begun = since;

-- The chat on WhatsApp that the conversation is answered in, as WhatsApp names it.
ALTER TABLE chatwoot_threads ADD COLUMN chat TEXT;
-- 0: the contact was made by us without a name, and gets the first one that is told.
ALTER TABLE chatwoot_threads ADD COLUMN named INTEGER NOT NULL DEFAULT 1;
CREATE INDEX chatwoot_threads_by_conversation ON chatwoot_threads (session, conversation);

-- 1: it was taken back on WhatsApp, so its deletion in Chatwoot is our own doing.
ALTER TABLE chatwoot_messages ADD COLUMN revoked INTEGER NOT NULL DEFAULT 0;

-- `done` 2: it was open in a backup that was brought back, so nobody knows whether it was dealt with
-- after that; whoever wrote it is told.
DROP INDEX chatwoot_calls_open;
CREATE INDEX chatwoot_calls_open ON chatwoot_calls (session, seq) WHERE done <> 1;
