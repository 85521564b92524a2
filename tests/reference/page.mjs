// The page's own variants, seen in Chromium without any driver: each switch that a living browser
// has to show. Run like run.mjs:
//
//   node page.mjs --control http://127.0.0.1:PORT/ [--chromium PATH] [--only TEXT]

import { parseArgs } from 'node:util';
import { createRequire } from 'node:module';
import { Checks } from './checks.mjs';
import { Sandbox } from './sandbox.mjs';
import { AGENT, Tab, until } from './tab.mjs';
import * as inside from './inside.mjs';

// Whichever puppeteer the package brought.
const puppeteer = createRequire(createRequire(import.meta.url).resolve('whatsapp-web.js'))('puppeteer');

const { values: options } = parseArgs({
  options: {
    control: { type: 'string', default: process.env.SANDBOX_CONTROL },
    chromium: { type: 'string', default: process.env.CHROME_PATH ?? '/usr/bin/chromium' },
    only: { type: 'string', default: '' },
  },
});
const ANA = '244929782402';
const BRUNO = '5511912345678';
const CARLA = '5511912345679';

const sandbox = new Sandbox(options.control);
const checks = new Checks();
const browser = await puppeteer.launch({
  executablePath: options.chromium,
  headless: true,
  protocolTimeout: 60_000,
  args: [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), '--disable-dev-shm-usage'],
});

const open = (faults, more) => Tab.open({ browser, sandbox, url: options.control }, faults, more);

const cases = {
  async 'a normal life raises no error in the page'() {
    const tab = await open();
    await tab.link(ANA);
    await tab.ask(inside.send, BRUNO, 'olá');
    await tab.until(() => heard.acks.length >= 2);
    await tab.page.reload();
    await tab.until(inside.ready);
    checks.equal(tab.errors, []);
    await tab.context.close();
  },
  async 'HeadlessChrome is turned away and never boots'() {
    const tab = await open({}, { agent: AGENT.replace('Chrome/', 'HeadlessChrome/') });
    await tab.until(() => document.body.innerText.includes('works with Google Chrome 100+'));
    checks.equal(await tab.ask(() => typeof window.require), 'undefined');
    await tab.context.close();
  },
  async 'scripts that a driver adds are refused'() {
    const tab = await open();
    const added = tab.page.addScriptTag({ content: 'window.added = 1' }).then(() => 'added', () => 'refused');
    const outcome = await Promise.race([added, new Promise((resolve) => setTimeout(resolve, 500, 'refused'))]);
    checks.equal(outcome === 'refused' || !(await tab.ask(() => window.added)), true);
    await tab.context.close();
  },
  async 'require is late, and missing ids throw'() {
    const tab = await open({ requireDelayMs: 400, moduleDelayMs: 200, missingModules: ['WAWebCmd'] });
    checks.equal(await tab.ask(() => typeof window.require), 'undefined');
    await tab.until(() => typeof window.require === 'function');
    checks.match(await tab.ask(() => { try { window.require('WAWebCollections'); } catch (error) { return error.message; } }), /unknown module/);
    await tab.until(inside.qr);
    checks.match(await tab.ask(() => { try { window.require('WAWebCmd'); } catch (error) { return error.message; } }), /unknown module/);
    checks.equal(await tab.ask(() => 'WAWebCmd' in window.require('__debug').modulesMap), false);
    await tab.context.close();
  },
  async 'missing ids give null or undefined'() {
    for (const [missingModule, found] of [['null', 'null'], ['undefined', 'undefined']]) {
      const tab = await open({ missingModule });
      await tab.until(inside.qr);
      checks.equal(await tab.ask(() => String(window.require('WAWebNothing'))), found);
      await tab.context.close();
    }
  },
  async 'Debug: absent, present'() {
    const absent = await open({ debug: 'absent' });
    await absent.link(ANA);
    checks.equal(await absent.ask(() => typeof window.Debug), 'undefined');
    await absent.context.close();
    const present = await open({ debug: 'present' });
    checks.match(await present.until(() => window.Debug?.VERSION), /^2\.3000\./);
    await present.context.close();
  },
  async 'message keys in every form'() {
    for (const [msgKey, msgKeyExport] of [['dollar', 'itself'], ['serialized', 'itself'], ['dollar', 'default']]) {
      const tab = await open({ msgKey, msgKeyExport });
      await tab.until(inside.qr);
      const key = await tab.ask(() => {
        const found = window.require('WAWebMsgKey');
        const Key = found.default ?? found;
        const key = new Key({ fromMe: true, remote: window.require('WAWebWidFactory').createWid('1234567@c.us'), id: '3EB0AA' });
        return { text: key.toString(), own: key.$1 ?? null, old: key._serialized ?? null, wrapped: Boolean(found.default) };
      });
      const text = 'true_1234567@c.us_3EB0AA';
      checks.equal(key, {
        text,
        own: msgKey === 'dollar' ? text : null,
        old: msgKey === 'serialized' ? text : null,
        wrapped: msgKeyExport === 'default',
      });
      await tab.context.close();
    }
  },
  async 'references run out, and both modules bring new ones'() {
    const tab = await open({ refDelayMs: 200, firstRefMs: 150, nextRefMs: 150, refCount: 2 });
    checks.equal(await tab.until(() => window.require('WAWebSocketModel').Socket.state === 'UNPAIRED' && String(window.require('WAWebConnModel').Conn.ref)), 'null');
    await tab.until(() => window.require('WAWebSocketModel').Socket.state === 'UNPAIRED_IDLE');
    await tab.ask(() => window.require('WAWebCmd').Cmd.refreshQR());
    await tab.until(() => window.require('WAWebConnModel').Conn.ref && window.require('WAWebSocketModel').Socket.state === 'UNPAIRED');
    await tab.until(() => window.require('WAWebSocketModel').Socket.state === 'UNPAIRED_IDLE');
    await tab.ask(() => window.require('WAWebLaunchSocketUtils').refreshQR());
    await tab.until(() => window.require('WAWebConnModel').Conn.ref);
    await tab.context.close();
  },
  async 'hasSynced is true before anybody can listen'() {
    const tab = await open({ hasSynced: 'beforeAttach' });
    await tab.link(ANA);
    await tab.page.reload();
    checks.equal(await tab.until(() => { try { return String(window.require('WAWebSocketModel').Socket.hasSynced); } catch { return null; } }), 'true');
    await tab.context.close();
  },
  async 'hasSynced flips'() {
    const tab = await open({ hasSynced: 'flips' });
    await tab.link(ANA);
    await tab.ask(() => {
      window.flips = [];
      window.require('WAWebSocketModel').Socket.on('change:hasSynced', (_model, value) => window.flips.push(value));
    });
    await tab.until(() => String(window.flips) === 'false,true');
    await tab.context.close();
  },
  async 'acting while SYNCING costs the login'() {
    const tab = await open({ syncingMs: 3000 });
    const qr = await tab.until(inside.qr);
    await sandbox.phone(ANA, 'scan', { qr });
    await tab.until(() => window.require('WAWebSocketModel').Socket.hasSynced);
    checks.equal(await tab.ask(() => window.require('WAWebStreamModel').Stream.mode), 'SYNCING');
    await tab.ask(inside.send, BRUNO, 'too early').catch(() => {});
    await tab.until(() => location.search.includes('post_logout=1'));
    await tab.context.close();
  },
  async 'the page reloads itself, once each'() {
    const tab = await open({ reloadAfterLoadMs: 300, reloadAfterReadyMs: 300 });
    await tab.until(() => sessionStorage.getItem('sandbox-once-load'));
    await tab.link(ANA).catch(() => tab.link(ANA));
    await tab.until(() => sessionStorage.getItem('sandbox-once-ready'));
    await tab.until(inside.ready);
    checks.equal(tab.loads, 3);
    await tab.context.close();
  },
  async 'a frame inside navigates'() {
    const tab = await open({ iframeNavigation: true });
    let inner = 0;
    tab.page.on('framenavigated', (frame) => (inner += frame.parentFrame() ? 1 : 0));
    await tab.link(ANA);
    await tab.until(() => [...document.querySelectorAll('iframe')].filter((frame) => frame.src.endsWith('?2')).length === 2);
    checks.equal(inner > 0, true);
    await tab.context.close();
  },
  async 'each logout event variant'() {
    const variants = { both: 'logout,logout_from_bridge', logout: 'logout', logoutFromBridge: 'logout_from_bridge', none: '' };
    for (const [logoutEvent, names] of Object.entries(variants)) {
      const tab = await open({ logoutEvent });
      await tab.link(ANA);
      await tab.ask(() => {
        for (const name of ['logout', 'logout_from_bridge'])
          window.require('WAWebCmd').Cmd.on(name, () => sessionStorage.setItem('events', [sessionStorage.getItem('events'), name].filter(Boolean).join()));
      });
      await sandbox.phone(ANA, 'logout');
      await tab.until(() => location.search.includes('post_logout=1') && window.require('WAWebConnModel').Conn.ref);
      checks.equal(await tab.ask(() => sessionStorage.getItem('events') ?? ''), names);
      await tab.context.close();
    }
  },
  async 'a login survives a reload, and keys go with a logout'() {
    const tab = await open();
    await tab.link(ANA);
    const before = await tab.ask(inside.noise);
    await tab.page.reload();
    await tab.until(inside.ready);
    checks.equal(await tab.ask(inside.noise), before);
    await tab.ask(() => window.require('WAWebSocketModel').Socket.logout());
    await tab.until(inside.qr);
    checks.equal((await tab.ask(inside.noise)) === before, false);
    checks.equal(await sandbox.devices(ANA), 0);
    await tab.context.close();
  },
  async 'send results: late, never, ERROR_NETWORK, lost'() {
    const tab = await open({ sendResultDelayMs: 400 });
    await tab.link(ANA);
    const results = {};
    for (const sendResult of ['ok', 'late', 'never', 'errorNetwork', 'lost']) {
      await sandbox.faults({ sendResult });
      // The question about the number that comes first is answered behind the turned switch.
      results[sendResult] = await tab.ask(inside.sendAndWatch, BRUNO, `result ${sendResult}`, 250);
    }
    checks.equal(results, {
      ok: { result: 'OK', acked: true },
      late: { result: null, acked: true },
      never: { result: null, acked: true },
      errorNetwork: { result: 'ERROR_NETWORK', acked: false },
      lost: { result: null, acked: false },
    });
    // What did not go out goes by itself after a reload.
    await sandbox.faults({ sendResult: 'ok' });
    await tab.page.reload();
    await tab.until(inside.ready);
    for (const text of ['result errorNetwork', 'result lost']) {
      await until(async () => (await sandbox.messages(BRUNO)).some((message) => message.text === text), text);
    }
    await tab.context.close();
  },
  async 'the send call gives a promise of the pair'() {
    const tab = await open({ sendReturns: 'promise', chatRecord: 'model' });
    await tab.link(ANA);
    checks.equal((await tab.ask(inside.sendAndWatch, BRUNO, 'pair', 300)).result, 'OK');
    await tab.context.close();
  },
  async 'acks repeated and out of order'() {
    const tab = await open({ acks: 'repeated' });
    await tab.link(ANA);
    await tab.ask(inside.send, BRUNO, 'twice');
    await tab.until(() => heard.acks.map(([, ack]) => ack).join() === '1,1,2,2');
    await sandbox.faults({ acks: 'shuffled' });
    await tab.ask(() => (heard.acks.length = 0));
    await tab.ask(inside.send, BRUNO, 'mixed');
    await tab.until(() => heard.acks.map(([, ack]) => ack).join() === '2,1,2');
    await tab.context.close();
  },
  async 'a LID chat wants its mapping, and a matching sender'() {
    const tab = await open();
    await tab.link(ANA);
    const early = await tab.ask((number) => window.require('WAWebFindChatAction').findOrCreateLatestChat(window.require('WAWebWidFactory').createWid(`${number}@c.us`)).then(() => 'found', (error) => error.message), CARLA);
    checks.equal(early, 'No LID for user');
    const id = await tab.ask(inside.send, CARLA, 'right');
    checks.match(id, /^true_\d+@lid_/);
    await tab.ask(inside.send, CARLA, 'wrong', 'pn');
    await until(async () => (await sandbox.messages(CARLA)).find(({ text }) => text === 'wrong')?.unknownSender, 'unknownSender');
    checks.equal((await sandbox.messages(CARLA)).find(({ text }) => text === 'right').unknownSender, false);
    await tab.context.close();
  },
  async 'sendSeen takes one shape only'() {
    const shapes = { object: ['ok', 'refused'], positional: ['refused', 'ok'], throws: ['refused', 'refused'] };
    const tab = await open();
    await tab.link(ANA);
    await tab.ask(inside.send, BRUNO, 'seen');
    for (const [sendSeen, outcome] of Object.entries(shapes)) {
      await sandbox.faults({ sendSeen });
      await until(async () => String(await tab.ask(inside.seen, BRUNO)) === String(outcome), sendSeen);
    }
    await tab.context.close();
  },
  async 'a burst of 5000 old messages'() {
    const tab = await open();
    await tab.link(ANA);
    await sandbox.faults({ historyBurst: 5000 });
    await tab.until(() => heard.added.filter((one) => !one.isNewMsg).length === 5000);
    await tab.context.close();
  },
  async 'undecrypted messages'() {
    const outcomes = { resolves: 'chat', revoked: 'revoked', never: 'ciphertext' };
    for (const [ciphertext, type] of Object.entries(outcomes)) {
      const tab = await open({ ciphertext, ciphertextMs: 100 });
      await tab.link(ANA);
      await sandbox.phone(BRUNO, 'deliver', { to: ANA, text: `secret ${ciphertext}` });
      await tab.until(() => heard.added.some((one) => one.type === 'ciphertext'));
      await tab.until((type) => window.require('WAWebCollections').Msg.filter((one) => one.isNewMsg).at(-1).type === type, type);
      await tab.context.close();
    }
  },
  async 'the call collection: late, missing, throwing'() {
    const look = () => { try { return window.require('WAWebCallCollection') ? 'there' : 'empty'; } catch (error) { return error.message; } };
    const late = await open({ callCollectionMs: 300 });
    await late.link(ANA);
    checks.match(await late.ask(look), /unknown module/);
    await late.until(() => { try { return Boolean(window.require('WAWebCallCollection')); } catch { return false; } });
    await late.context.close();
    const throwing = await open({ callCollection: 'throws' });
    await throwing.link(ANA);
    checks.equal(await throwing.ask(look), 'WAWebCallCollection failed');
    await throwing.context.close();
  },
  async 'alert and beforeunload'() {
    const dialogs = [];
    const tab = await open({ dialog: 'alert' }, {
      before: (page) => page.on('dialog', (dialog) => (dialogs.push(dialog.type()), dialog.accept())),
    });
    await until(() => dialogs.includes('alert'), 'alert');
    await sandbox.faults({ dialog: 'beforeUnload' });
    await tab.page.goto(options.control);
    // Chromium asks only where somebody has touched the page.
    await tab.page.click('h1');
    await tab.page.reload();
    checks.equal(dialogs.includes('beforeunload'), true);
    await tab.context.close();
  },
  async 'the event loop is blocked'() {
    const tab = await open();
    await tab.link(ANA);
    await tab.ask(() => {
      window.longest = 0;
      let last = performance.now();
      setInterval(() => { window.longest = Math.max(window.longest, performance.now() - last); last = performance.now(); }, 10);
    });
    await sandbox.faults({ blockMs: 1200 });
    await tab.until(() => window.longest > 1100);
    await tab.context.close();
  },
  async 'the passkey question'() {
    const tab = await open({ passkey: true });
    const qr = await tab.until(inside.qr);
    await sandbox.phone(ANA, 'scan', { qr });
    await tab.until(() => document.body.innerText.includes('Continue on WhatsApp Web'));
    checks.equal(await tab.ask(() => window.require('WAWebSocketModel').Socket.state), 'UNPAIRED');
    checks.equal(await tab.ask(() => Boolean(window.require('WAWebShortcakeLinkingIq'))), true);
    await tab.context.close();
  },
  async 'an outdated build'() {
    const tab = await open({ outdatedBuild: true });
    await tab.until(() => window.require('WAWebSocketModel').Socket.state === 'DEPRECATED_VERSION');
    await tab.context.close();
  },
  async 'a forced state holds sends back'() {
    const tab = await open();
    await tab.link(ANA);
    await sandbox.phone(ANA, 'state', { state: 'TIMEOUT' });
    await tab.until(() => window.require('WAWebSocketModel').Socket.state === 'TIMEOUT');
    checks.equal((await tab.ask(inside.sendAndWatch, BRUNO, 'held', 200)).acked, false);
    await sandbox.phone(ANA, 'state', { state: null });
    await tab.until(() => heard.acks.some(([, ack]) => ack >= 1));
    await tab.context.close();
  },
  async 'conflict and takeover'() {
    const tab = await open();
    await tab.link(ANA);
    const second = await tab.context.newPage();
    await second.setUserAgent(AGENT);
    await second.goto(options.control);
    await tab.until(() => window.require('WAWebSocketModel').Socket.state === 'CONFLICT');
    await tab.ask(() => window.require('WAWebSocketModel').Socket.takeover());
    await tab.until(() => window.require('WAWebSocketModel').Socket.state === 'CONNECTED');
    await until(() => second.evaluate(() => window.require('WAWebSocketModel').Socket.state === 'CONFLICT'), 'the other one in conflict');
    await tab.context.close();
  },
  async 'a message that came while away is new once'() {
    const tab = await open({ reloadAfterLoadMs: 0 });
    await tab.link(ANA);
    await tab.page.goto('about:blank');
    await sandbox.phone(BRUNO, 'deliver', { to: ANA, text: 'away' });
    await tab.page.goto(options.control);
    await tab.until(inside.ready);
    await tab.until(() => window.require('WAWebCollections').Msg.filter((one) => one.body === 'away' && one.isNewMsg).length === 1);
    await tab.page.reload();
    await tab.until(inside.ready);
    checks.equal(await tab.ask(() => window.require('WAWebCollections').Msg.filter((one) => one.body === 'away').map((one) => one.isNewMsg)), [false]);
    await tab.context.close();
  },
  async 'a login that lost its local storage is gone, and the next one lasts'() {
    const tab = await open();
    await tab.link(ANA);
    await sandbox.phone(BRUNO, 'deliver', { to: ANA, text: 'before the loss' });
    await tab.until(() => heard.added.length > 0);
    await tab.ask(() => localStorage.clear());
    await tab.page.reload();
    await tab.link(CARLA);
    checks.equal(await tab.ask(() => window.require('WAWebCollections').Msg.filter((one) => one.body === 'before the loss').length), 0);
    await tab.page.reload();
    await tab.until(inside.ready);
    await sandbox.phone(CARLA, 'logout');
    await tab.context.close();
  },
  async 'sendToChat of a prepared file takes one shape only'() {
    for (const [prepSend, outcome] of [['object', [1, 'OK', 'refused']], ['positional', [2, 'refused', 'OK']]]) {
      const tab = await open({ prepSend });
      await tab.link(ANA);
      checks.equal(await tab.ask(inside.using(inside.prepared, inside.sendPrepared), BRUNO), outcome);
      await tab.context.close();
    }
  },
  async 'uploads: taken, refused, without an entry, slow'() {
    const tab = await open();
    await tab.link(ANA);
    const upload = inside.using(inside.prepared, inside.upload);
    checks.match(await tab.ask(upload), /^\/v\/t62/);
    await sandbox.faults({ uploads: 'refused' });
    await tab.until(() => window.require('WAWebSocketModel').Socket.state === 'CONNECTED');
    await until(async () => /upload failed: 507/.test(await tab.ask(upload)), 'refused');
    await sandbox.faults({ uploads: 'noEntry' });
    await until(async () => (await tab.ask(upload)) === 'no entry', 'no entry');
    await sandbox.faults({ uploads: 'taken', uploadMs: 400 });
    const began = Date.now();
    checks.match(await tab.ask(upload), /^\/v\/t62/);
    checks.equal(Date.now() - began >= 400, true);
    await tab.context.close();
  },
  async 'a file is fetched; expired, the phone is asked only by who insists'() {
    const tab = await open();
    await tab.link(ANA);
    const send = async (bytes) => {
      const before = await tab.ask(() => heard.added.length);
      await sandbox.sendFile(BRUNO, { to: ANA, kind: 'document', name: 'a.txt' }, 'text/plain', bytes);
      await tab.until((before) => heard.added.length > before, before);
    };
    await send('one');
    checks.equal(await tab.ask(inside.fetchLast), ['INIT', 'RESOLVED', 3]);
    await sandbox.faults({ mediaExpired: true });
    await send('four');
    checks.equal(await tab.ask(inside.fetchLast), ['INIT', 'ERROR_MISSING', null]);
    checks.equal(await tab.ask(inside.fetchLast, { rmrReason: 1 }), ['ERROR_MISSING', 'RESOLVED', 4]);
    await sandbox.faults({ reupload: 'refused' });
    await send('five5');
    checks.equal(await tab.ask(inside.fetchLast, { rmrReason: 1 }), ['INIT', 'ERROR_MISSING', null]);
    await tab.context.close();
  },
  async 'page weight'() {
    const tab = await open();
    await tab.link(ANA);
    const heap = () => performance.memory.usedJSHeapSize / 2 ** 20;
    const before = await tab.ask(heap);
    await sandbox.faults({ pageWeightMb: 60 });
    await tab.until((before) => performance.memory.usedJSHeapSize / 2 ** 20 > before + 40, before);
    await tab.context.close();
  },
  async 'sends are cheap'() {
    const tab = await open();
    await tab.link(ANA);
    await tab.ask(inside.send, BRUNO, 'first');
    const ms = await tab.ask(inside.many, BRUNO, 300);
    console.log(`# 300 sends to the server's tick: ${Math.round(ms)} ms`);
    checks.equal(ms < 3000, true);
    await tab.context.close();
  },
};

try {
  for (const [name, check] of Object.entries(cases)) {
    if (!name.includes(options.only)) continue;
    await checks.run(name, check);
    await sandbox.phone(ANA, 'logout');
  }
} finally {
  await browser.close();
  await sandbox.faults({ reset: true }).catch(() => {});
}
process.exit(checks.summary());
