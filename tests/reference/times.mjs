// How long until a person can go on: ZapNode beside whatsapp-web.js, on the same simulated page, in
// turn. Prints medians; decides nothing.
//
//   node times.mjs --control http://127.0.0.1:PORT/ --https-port PORT --zapnode PATH [--rounds 5]

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Sandbox } from './sandbox.mjs';
import { open } from './client.mjs';

const { values: options } = parseArgs({
  options: {
    control: { type: 'string' },
    'https-port': { type: 'string' },
    zapnode: { type: 'string' },
    chromium: { type: 'string', default: process.env.CHROME_PATH ?? '/usr/bin/chromium' },
    rounds: { type: 'string', default: '5' },
  },
});
const NUMBER = '244929782402';
// The older client misses a sync that is quicker than its listeners, so both get the same slow one.
const SYNC_MS = 2000;
const sandbox = new Sandbox(options.control);

async function reference(folder, taken) {
  let started = performance.now();
  let page = open({ clientId: 'times', folder, httpsPort: options['https-port'], chromium: options.chromium });
  const [qr] = await page.next('qr', ([text]) => !text.startsWith('null'));
  taken('create → QR', started);
  started = performance.now();
  await sandbox.phone(NUMBER, 'scan', { qr });
  await page.next('ready');
  taken('scan → ready', started);
  await page.client.destroy();
  started = performance.now();
  page = open({ clientId: 'times', folder, httpsPort: options['https-port'], chromium: options.chromium });
  await page.next('ready');
  taken('restart → ready', started);
  await page.client.destroy();
}

async function daemon(folder) {
  const child = spawn(options.zapnode, [], {
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      PORT: '0',
      START_DEFAULT_SESSION: 'false',
      ZAPNODE_DATA_DIR: folder,
      ZAPNODE_WEB_URL: options.control,
    },
  });
  const base = await new Promise((resolve, reject) => {
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
      const found = said.match(/Listening on\s+(http:\S+)/);
      if (found) resolve(found[1]);
    });
    child.once('exit', () => reject(new Error(`zapnode-http ended: ${said}`)));
  });
  const ask = async (path, body) => {
    const response = await fetch(base + path, {
      method: body ? 'POST' : 'GET',
      headers: { 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    return response.json();
  };
  const until = async (enough) => {
    let { session } = await ask('/sessions/times');
    for (;;) {
      const found = await enough(session);
      if (found) return found;
      ({ session } = await ask(`/sessions/times?newerThan=${session.generation}&timeoutMs=20000`));
    }
  };
  const end = () =>
    new Promise((resolve) => {
      child.removeAllListeners('exit');
      child.once('exit', resolve);
      child.kill('SIGTERM');
    });
  return { ask, until, end };
}

async function ours(folder, taken) {
  let gateway = await daemon(folder);
  let started = performance.now();
  await gateway.ask('/sessions', { sessionId: 'times' });
  const qr = await gateway.until(async (session) =>
    session.status === 'awaiting_login' && (await gateway.ask('/sessions/times/qr?format=json')).qr);
  taken('create → QR', started);
  started = performance.now();
  await sandbox.phone(NUMBER, 'scan', { qr });
  await gateway.until((session) => session.isReady);
  taken('scan → ready', started);
  await gateway.end();
  // The whole program anew, not only its session.
  started = performance.now();
  gateway = await daemon(folder);
  await gateway.until((session) => session.isReady);
  taken('restart → ready', started);
  await gateway.end();
}

const times = { 'whatsapp-web.js': {}, ZapNode: {} };
await sandbox.faults({ msgKey: 'serialized', callCollection: 'present', syncMs: SYNC_MS });
for (let round = 0; round < Number(options.rounds); round += 1)
  for (const [name, run] of [['whatsapp-web.js', reference], ['ZapNode', ours]]) {
    const folder = await mkdtemp(join(tmpdir(), 'zapnode-times-'));
    await run(folder, (step, started) => (times[name][step] ??= []).push(performance.now() - started));
    await sandbox.phone(NUMBER, 'logout');
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
await sandbox.faults({ reset: true });

const median = (all) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)];
console.log(`medians of ${options.rounds} rounds in turn, ms; ready holds ${SYNC_MS} ms of the page's own sync`);
for (const step of Object.keys(times.ZapNode)) {
  const [theirs, mine] = [median(times['whatsapp-web.js'][step]), median(times.ZapNode[step])];
  console.log(`${step.padEnd(16)} whatsapp-web.js ${theirs.toFixed(0).padStart(6)}  ZapNode ${mine.toFixed(0).padStart(6)}  ratio ${(mine / theirs).toFixed(2)}`);
}
process.exit(0);
