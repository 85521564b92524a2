// Which parts of the page were found, and under which name (fact sheet, appendix B, last lines).

commands.selfTest = async () => {
  const probes = Object.entries(PARTS).map(([name, { feature, needed: isNeeded, at }]) => {
    const hit = look(name);
    return {
      feature,
      part: placeOf(name),
      found: Boolean(hit),
      needed: Boolean(isNeeded),
      detail: hit
        ? hit.where === placeOf(name) ? null : `found as ${hit.where}`
        : isTooEarly(name) ? "looked for after the login" : whyMissing(at[0][0]),
    };
  });
  for (const { name, feature, needed: isNeeded } of hooks) {
    const fault = facts[`fault.hook.${name}`];
    probes.push({ feature, part: `listener: ${name}`, found: hooked(name), needed: Boolean(isNeeded), detail: fault ?? null });
  }
  return { version: version(), probes };
};

function whyMissing(id) {
  try {
    const exported = window.require(id);
    if (exported === undefined || exported === null) return `${id} is ${exported}`;
    return `${id} has ${Object.keys(exported).slice(0, 12).join(", ") || "no members"}`;
  } catch (error) {
    return words(error).slice(0, 200);
  }
}
