-- What a message of ours carries, as JSON; NULL: the plain text in `body`. Where it is set, `body`
-- has the words in it, for people and for search.
ALTER TABLE messages ADD COLUMN content TEXT;
