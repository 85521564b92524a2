// A browser page on the sandbox, and waiting for what it comes to.

import * as inside from './inside.mjs';

const PATIENCE_MS = 10_000;
export const AGENT =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36';

export async function until(question, what) {
  const deadline = Date.now() + PATIENCE_MS;
  while (Date.now() < deadline) {
    const found = await question();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`not within ${PATIENCE_MS} ms: ${what}`);
}

// One page in a profile of its own.
export class Tab {
  static async open({ browser, sandbox, url }, faults = {}, { agent = AGENT, before } = {}) {
    await sandbox.faults({ reset: true, ...faults });
    const tab = new Tab();
    tab.sandbox = sandbox;
    tab.context = await browser.createBrowserContext();
    tab.page = await tab.context.newPage();
    tab.errors = [];
    tab.loads = 0;
    tab.page.on('pageerror', (error) => tab.errors.push(error.message));
    tab.page.on('load', () => (tab.loads += 1));
    await tab.page.setUserAgent(agent);
    await before?.(tab.page);
    await tab.page.goto(url);
    return tab;
  }

  // Asks the page again and again until it says something; a page that navigates is asked anew.
  async until(question, ...args) {
    const deadline = Date.now() + PATIENCE_MS;
    let last;
    while (Date.now() < deadline) {
      try {
        last = await this.page.evaluate(question, ...args);
        if (last) return last;
      } catch (error) {
        last = error.message;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`not within ${PATIENCE_MS} ms: ${question} (last: ${JSON.stringify(last)})`);
  }

  ask(question, ...args) {
    return this.page.evaluate(question, ...args);
  }

  async link(number) {
    const qr = await this.until(inside.qr);
    await this.sandbox.phone(number, 'scan', { qr });
    await this.until(inside.ready);
    await this.ask(inside.listen);
  }
}
