-- What may be deleted once it is old enough: all but what is still to be sent or confirmed.
CREATE INDEX messages_by_age ON messages (created_at) WHERE state NOT IN ('queued', 'sending');
-- Deleting a message looks for its key.
CREATE INDEX idempotency_by_message ON idempotency (message);
