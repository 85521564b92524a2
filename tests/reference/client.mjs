// A whatsapp-web.js client whose browser finds the sandbox under the real name.

import whatsapp from 'whatsapp-web.js';

const { Client, LocalAuth } = whatsapp;
export const { Poll, Location } = whatsapp;
const PATIENCE_MS = 20_000;
const EVENTS = [
  'qr', 'code', 'authenticated', 'auth_failure', 'ready', 'message', 'message_create', 'message_ack',
  'disconnected', 'change_state', 'loading_screen', 'message_edit', 'message_revoke_everyone', 'message_revoke_me',
  'message_reaction', 'vote_update', 'message_ciphertext', 'call', 'group_join', 'group_leave', 'group_admin_changed', 'group_update',
];

export function open({ clientId, folder, httpsPort, chromium, phoneNumber, verbose }) {
  const client = new Client({
    authStrategy: new LocalAuth({ clientId, dataPath: folder }),
    // The page's own copy is of no use to a later run.
    webVersionCache: { type: 'none' },
    ...(phoneNumber ? { pairWithPhoneNumber: { phoneNumber } } : {}),
    puppeteer: {
      executablePath: chromium,
      headless: true,
      args: [
        ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
        `--host-resolver-rules=MAP web.whatsapp.com 127.0.0.1:${httpsPort}`,
        '--ignore-certificate-errors',
        '--disable-dev-shm-usage',
      ],
    },
  });

  // Every event is kept, so that one that came before it was waited for is not missed. Each one is
  // given out once for each name of it.
  const heard = [];
  const waiting = new Set();
  for (const name of EVENTS)
    client.on(name, (...args) => {
      if (verbose) console.log(`# ${clientId}: ${name} ${JSON.stringify(args).slice(0, 160)}`);
      heard.push({ name, args });
      for (const waiter of [...waiting]) waiter();
    });

  const next = (name, wanted = () => true) => {
    const promise = new Promise((resolve, reject) => {
      const look = () => {
        const place = heard.findIndex((event) => event.name === name && !event.taken && wanted(event.args));
        if (place < 0) return;
        heard[place].taken = true;
        waiting.delete(look);
        clearTimeout(deadline);
        resolve(heard[place].args);
      };
      const deadline = setTimeout(() => {
        waiting.delete(look);
        const seen = heard.map((event) => event.name).join(', ');
        reject(new Error(`no ${name} within ${PATIENCE_MS} ms; there were: ${seen || 'none'}`));
      }, PATIENCE_MS);
      waiting.add(look);
      look();
    });
    // Waited for later, it must not count as unhandled before.
    promise.catch(() => {});
    return promise;
  };

  client.initialize().catch((error) => {
    if (verbose) console.log(`# ${clientId}: initialize: ${error?.stack ?? error}`);
  });
  return { client, next, count: (name) => heard.filter((event) => event.name === name).length };
}
