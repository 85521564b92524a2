// Calls that come in (fact sheet §5.5). Their module is in a lazy bundle, and by which of its
// functions a call comes depends on the build.

/** `ReceivedCall`, `ReceivedCallWithoutOffer`, and the older word. */
const RINGING = new Set([3, 8, "ReceivedCall", "ReceivedCallWithoutOffer", "INCOMING_RING"]);

const callsTold = new Recent(200);

/** The calls that were told, by id, for whoever turns one away: the newest is the page's active one. */
const ringing = new Map();
let lastRinging = null;

function rings(id, peer) {
  lastRinging = { peer };
  ringing.set(id, lastRinging);
  if (ringing.size > 50) ringing.delete(ringing.keys().next().value);
}

function forgetCall(id) {
  if (ringing.get(id) === lastRinging) lastRinging = null;
  ringing.delete(id);
}

/** Which argument it is depends on the function; the call's fields are set after it is handed over. */
function callGiven(args) {
  const call = args.find((one) => one && typeof one === "object" && widText(field(one, "peerJid")));
  if (call) later(0, "call", () => tellCall(call));
}

function tellCall(call) {
  const read = (name) => field(call, name);
  const state = guarded("call", () => read("getState")?.call(call)) ?? read("state");
  if (read("outgoing") || !RINGING.has(state)) return;
  const id = textOrNull(read("id"));
  const from = widText(read("peerJid"));
  if (!id || !from || !callsTold.add(id)) return;
  rings(id, from);
  const offered = numberOf(read("offerTime"));
  const seen = {
    id,
    isVideo: read("isVideo") === true,
    isGroup: read("isGroup") === true,
    // It stays 0 in some builds; which unit it has, its size tells.
    at: Math.trunc(!offered ? native.now() : offered < 1e11 ? offered * 1000 : offered),
  };
  const others = widTexts(read("participants"));
  tellInTurn("call", async () => ({ ...seen, from: await person(from), participants: await people(others) }));
}

const callHooks = [
  { name: "calls", feature: "calls", attach: () => lookOver("incomingCall", "call", callGiven) },
  {
    name: "calls, by their collection",
    feature: "calls",
    attach: () => listen(needed("calls"), "add", "call", (call) => callGiven([call])),
  },
];
