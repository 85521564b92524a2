// Looking over the shoulder of the page's own functions (fact sheet §5.1): some things happen
// without an event. The page's function runs first and undisturbed; what we do with its arguments
// can neither delay nor harm it.

/** Our stand-ins, so that none is wrapped again. */
const standIns = new WeakSet();

/**
 * Puts a stand-in before a part's function, in every place where the part is found: new and old
 * builds have others, and during a change both. `look` gets the arguments of each call. A place
 * that is wrapped already stays as it is, so this can be asked for again at any time.
 */
function lookOver(part, name, look) {
  let held = 0;
  for (const { value, owner, member } of [...found(part)]) {
    if (typeof value !== "function" || !owner) continue;
    if (!standIns.has(value)) wrap(owner, member, value, name, look);
    held += 1;
  }
  if (held === 0) throw missing(placeOf(part));
}

function wrap(owner, member, original, name, look) {
  // A proxy keeps everything a page may ask of the function: its length, its name, its members.
  const standIn = new Proxy(original, {
    apply(target, self, args) {
      const result = Reflect.apply(target, self, args);
      guarded(name, () => look(args));
      return result;
    },
  });
  standIns.add(standIn);
  owner[member] = standIn;
  if (owner[member] !== standIn) throw refused(`${member} cannot be wrapped`);
}
