// Reactions: the page tells of them only by writing them to its database (fact sheet §5.1).

const reactionsTold = new Recent(20000);

function reactionsWritten([rows]) {
  for (const row of Array.isArray(rows) ? rows : [rows]) guarded("reaction", () => tellReaction(row));
}

function tellReaction(row) {
  const at = numberOf(field(row, "reactionTimestamp"));
  if (at === null) return;
  const message = keyText(field(row, "reactionParentKey"));
  if (!message) return;
  const chat = message.split("_")[1];
  const own = fromMe(row);
  const sender = widText(field(row, "author")) ?? (own ? ownName(chat) : widText(field(row, "from")));
  const emoji = textOrNull(field(row, "reactionText"));
  if (!sender || !reactionsTold.add([message, sender, emoji, at].join(" "))) return;
  const read = { message, chat, emoji, isOrphan: Boolean(field(row, "orphan")), at: Math.trunc(at) };
  tellInTurn("reaction", async () => {
    // Old rows are written again when the page syncs.
    if (!isLive(at)) return null;
    return { ...read, fromMe: own || isMe(sender), from: await person(sender) };
  });
}

function isMe(text) {
  const me = meWids();
  return text === widText(me.phone) || text === widText(me.lid);
}

const reactionHooks = [
  { name: "reactions", feature: "reactions", attach: () => lookOver("reactionTable", "reaction", reactionsWritten) },
];
